{#- The states of a remediation order (整治单状态) and how a night moves it from one to the next. -#}

{#- Identifier of an order opened tonight: no sequence, so that a repeated night gives the same. -#}
{% macro remediation_order_id(subject_id, cause_code) -%}
    'ZZ' || to_char({{ business_date() }}, 'YYYYMMDD')
    || upper(left(md5({{ subject_id }} || '|' || {{ cause_code }}), 16))
{%- endmacro %}

{#- Key by which an answer that names no order finds it. -#}
{% macro order_answer_key(subject_id, cause_code) -%}
    {{ subject_id }} || '|' || {{ cause_code }}
{%- endmacro %}

{#-
    Query of the latest answer to each order that is not done: of what was handled since the order was
    opened, and since it was last done if it is reopened. An answer without effect is none.
-#}
{% macro latest_answers(order, answer) -%}
    select distinct on ({{ order }}.remediation_order_id)
        {{ order }}.remediation_order_id,
        {{ answer }}.handled_at,
        {{ answer }}.result_code,
        {{ answer }}.effect
    from {{ order }}
    cross join lateral (
        values
        ({{ order }}.remediation_order_id),
        ({{ order_answer_key(order ~ '.subject_id', order ~ '.cause_code') }})
    ) as named (answer_key)
    inner join {{ answer }} on named.answer_key = {{ answer }}.answer_key
    where
        {{ order }}.order_state <> 'done'
        and {{ order }}.opened_date <= {{ local_date(answer ~ '.handled_at') }}
        and {{ answer }}.handled_at > coalesce({{ order }}.done_at, '-infinity')
    order by
        {{ order }}.remediation_order_id asc,
        {{ answer }}.handled_at desc,
        {{ answer }}.feedback_id desc
{%- endmacro %}

{#- Key by which an answer to a monthly risk list finds its row. -#}
{% macro risk_answer_key(subscription_id, risk_month) -%}
    {{ subscription_id }} || '|' || to_char({{ risk_month }}, 'YYYY-MM')
{%- endmacro %}

{#- Whether somebody still has to do the work. -#}
{% macro is_order_to_be_done(order) -%}
    {{ order }}.order_state in ('open', 'dispatched', 'reopened')
{%- endmacro %}

{% macro is_order_ended(order) -%}
    {{ order }}.order_state in ('verified', 'cancelled')
{%- endmacro %}

{#-
    State after tonight, of an order that has not ended. `answered` holds what was done since it was
    opened or reopened, null for one that is done; `line` is null once the line lives no more;
    `needed`, once the cause is gone.
-#}
{% macro next_order_state(order, answered, line, needed) -%}
    case
        when {{ order }}.subject_kind = 'line' and {{ line }}.subscription_id is null
            then 'cancelled'
        when {{ answered }}.effect = 'lost' then 'cancelled'
        when {{ answered }}.effect = 'done' then 'done'
        when
            {{ order }}.order_state in ('open', 'dispatched')
            and {{ order }}.is_lapsing
            and {{ needed }}.subject_id is null
            then 'cancelled'
        when
            {{ order }}.order_state = 'open'
            and (
                {{ order }}.cadence = 'nightly'
                or {{ order }}.opened_date < date_trunc('month', {{ business_date() }} + 1)
            )
            then 'dispatched'
        when {{ order }}.order_state <> 'done' then {{ order }}.order_state
        else {{ state_after_done(order, line, needed) }}
    end
{%- endmacro %}

{#- State after tonight of an order that is done: whether it helped (seeds/remediation_route.csv). -#}
{% macro state_after_done(order, line, needed) -%}
    {%- set has_waited -%}
        {{ local_date(order ~ '.done_at') }} + {{ order }}.verification_days <= {{ business_date() }}
    {%- endset -%}
    case {{ order }}.verification
        when 'no_new_fault'
            then case
                when {{ line }}.last_fault_at > {{ order }}.done_at then 'reopened'
                when {{ has_waited }} then 'verified'
                else 'done'
            end
        when 'measured_again'
            then case
                when {{ line }}.last_measured_at is null
                    or {{ line }}.last_measured_at <= {{ order }}.done_at
                    then 'done'
                when {{ needed }}.subject_id is null then 'verified'
                else 'reopened'
            end
        when 'warning_gone'
            then case
                when not {{ has_waited }} then 'done'
                when {{ needed }}.subject_id is null then 'verified'
                else 'reopened'
            end
        when 'orders_completed'
            then case
                when not {{ line }}.has_open_service_order then 'verified'
                when {{ has_waited }} then 'reopened'
                else 'done'
            end
        else 'verified'
    end
{%- endmacro %}
