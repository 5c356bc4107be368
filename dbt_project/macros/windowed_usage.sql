{#-
    Sums of daily usage over windows up to an as-of date, one row per as-of date and line that was
    used within `reach_days`. A night goes on from the one before: the days that entered a window
    since are added, those that left it are taken off, and the days between are not read. Goes with
    the incremental strategy `replace_as_of`.

    `daily` is the CTE of the days (subscription_id, usage_date and the measures), in its order.
    `measures` is a list of (name, expression over a day, window). A window is a pair (from, to), the
    days more than `from` and at most `to` days before the end of the as-of date, as in (0, 30) for
    the last thirty, or `month`, the calendar month to date. `last_dates` is a list of (name,
    condition): the last day in reach on which the condition holds. The first of them says whether
    the line was used.
-#}
{% macro windowed_usage(daily, reach_days, measures, last_dates) -%}
    {%- set edges = [0] -%}
    {%- for name, measure, window in measures if window != "month" -%}
        {%- for edge in window if edge not in edges -%}{%- do edges.append(edge) -%}{%- endfor -%}
    {%- endfor -%}
as_of as (
    select
        as_of_date,
        date_trunc('month', as_of_date)::date as month_start_date,
        {{ held_date('as_of_date') }} as held_date
    from ({{ as_of_dates() }}) as dates
),

summand as (
    -- With nothing to go on from: every day of every window.
    select
        as_of.as_of_date,
        daily.subscription_id
        {%- for name, measure, window in measures %},
        case
            {%- if window == "month" %}
            when daily.usage_date >= as_of.month_start_date
            {%- else %}
            when
                daily.usage_date <= as_of.as_of_date - {{ window[0] }}
                and daily.usage_date > as_of.as_of_date - {{ window[1] }}
            {%- endif %}
                then ({{ measure }})::bigint
        end as {{ name }}
        {%- endfor %}
        {%- for name, condition in last_dates %},
        case when {{ condition }} then daily.usage_date end as {{ name }}
        {%- endfor %}
    from as_of
    inner join {{ daily }} as daily
        on
            daily.usage_date <= as_of.as_of_date
            and daily.usage_date > as_of.as_of_date - {{ reach_days }}
    where as_of.held_date is null
    {%- if is_incremental() %}
    union all
    -- The days that have passed an edge of a window since: in at the one, out at the other.
    select
        as_of.as_of_date,
        daily.subscription_id
        {%- for name, measure, window in measures %},
        case
            {%- if window == "month" %}
            when edge.days = 0 and daily.usage_date >= as_of.month_start_date
                then ({{ measure }})::bigint
            {%- else %}
            when edge.days = {{ window[0] }} then ({{ measure }})::bigint
            when edge.days = {{ window[1] }} then -({{ measure }})::bigint
            {%- endif %}
        end as {{ name }}
        {%- endfor %}
        {%- for name, condition in last_dates %},
        case when edge.days = 0 and ({{ condition }}) then daily.usage_date end as {{ name }}
        {%- endfor %}
    from as_of
    cross join (values ({{ edges | join("), (") }})) as edge (days)
    inner join {{ daily }} as daily
        on
            daily.usage_date <= as_of.as_of_date - edge.days
            and daily.usage_date > as_of.held_date - edge.days
    union all
    select
        as_of.as_of_date,
        held.subscription_id
        {%- for name, measure, window in measures %},
        {%- if window == "month" %}
        case when as_of.held_date >= as_of.month_start_date then held.{{ name }} end as {{ name }}
        {%- else %}
        held.{{ name }}
        {%- endif %}
        {%- endfor %}
        {%- for name, condition in last_dates %},
        case when held.{{ name }} > as_of.as_of_date - {{ reach_days }} then held.{{ name }} end
        {%- endfor %}
    from as_of
    inner join {{ this }} as held on as_of.held_date = held.as_of_date
    {%- endif %}
),

final as (
    select
        as_of_date,
        subscription_id
        {%- for name, measure, window in measures %},
        coalesce(ops.bigint_sum({{ name }}), 0) as {{ name }}
        {%- endfor %}
        {%- for name, condition in last_dates %},
        max({{ name }}) as {{ name }}
        {%- endfor %}
    from summand
    group by as_of_date, subscription_id
    having max({{ last_dates[0][0] }}) is not null
)
{%- endmacro %}
