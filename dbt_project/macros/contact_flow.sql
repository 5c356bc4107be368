{#- A customer's way through the waves of a campaign (五步服务流程) and how a night moves it on. -#}

{#- Query: what came of each flow in `entered` since it was planned, and of its open wave. -#}
{% macro flow_contacts(entered, contact, wave) -%}
    select
        {{ entered }}.customer_id,
        {{ entered }}.campaign_code,
        count(*)::integer as contact_count,
        (
            count(*) filter (
                where
                {{ contact }}.contacted_date > {{ entered }}.wave_started_date
                and {{ contact }}.channel_code = {{ wave }}.channel_code
            )
        )::integer as wave_contact_count,
        max({{ contact }}.contacted_date) as last_contacted_date,
        min({{ contact }}.contacted_date) filter (where {{ contact }}.response = 'accepted')
            as ordered_date,
        min({{ contact }}.contacted_date) filter (
            where {{ contact }}.response in ('refused', 'unsubscribed')
        ) as refused_date
    from {{ entered }}
    inner join {{ contact }}
        on
            {{ entered }}.customer_id = {{ contact }}.customer_id
            and {{ entered }}.proposal_code = {{ contact }}.proposal_code
            and {{ entered }}.started_date < {{ contact }}.contacted_date
    left join {{ wave }}
        on
            {{ entered }}.campaign_code = {{ wave }}.campaign_code
            and {{ entered }}.wave_number = {{ wave }}.wave_number
    group by {{ entered }}.customer_id, {{ entered }}.campaign_code
{%- endmacro %}

{#-
    Query: the wave of each flow in `entered` for tomorrow; no row when it is over or none is left. The open one goes
    on until its contacts or its days are used up, or its channel is avoided.
-#}
{% macro next_waves(entered, contacted, wave, avoided) -%}
    select
        {{ entered }}.customer_id,
        {{ entered }}.campaign_code,
        min({{ wave }}.wave_number) as next_wave_number
    from {{ entered }}
    inner join {{ wave }} on {{ entered }}.campaign_code = {{ wave }}.campaign_code
    left join {{ contacted }}
        on
            {{ entered }}.customer_id = {{ contacted }}.customer_id
            and {{ entered }}.campaign_code = {{ contacted }}.campaign_code
    left join {{ avoided }}
        on
            {{ entered }}.customer_id = {{ avoided }}.customer_id
            and {{ wave }}.channel_code = {{ avoided }}.channel_code
    where
        coalesce({{ entered }}.flow_state, 'running') = 'running'
        and {{ contacted }}.ordered_date is null
        and {{ contacted }}.refused_date is null
        and {{ avoided }}.customer_id is null
        and (
            {{ wave }}.wave_number > coalesce({{ entered }}.wave_number, 0)
            or {{ wave }}.wave_number = {{ entered }}.wave_number
            and coalesce({{ contacted }}.wave_contact_count, 0) < {{ wave }}.contact_maximum
            and {{ entered }}.wave_started_date + {{ wave }}.valid_days > {{ business_date() }}
        )
    group by {{ entered }}.customer_id, {{ entered }}.campaign_code
{%- endmacro %}

{#- State of a flow after tonight: an order counts for more than a refusal on the way to it. -#}
{% macro next_flow_state(entered, contacted, next_wave) -%}
    case
        when {{ entered }}.flow_state <> 'running' then {{ entered }}.flow_state
        when {{ contacted }}.ordered_date is not null then 'ordered'
        when {{ contacted }}.refused_date is not null then 'refused'
        when {{ next_wave }}.next_wave_number is null then 'exhausted'
        else 'running'
    end
{%- endmacro %}
