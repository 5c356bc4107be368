{#- What the reports on lists and their tasks count. -#}

{#- Query: what came of each task that was called, in any of its calls. -#}
{% macro tasks_called(attempt, outcome) -%}
    select
        {{ attempt }}.call_task_id,
        bool_or({{ outcome }}.is_reached) as is_reached,
        bool_or({{ outcome }}.outcome_code = 'accepted') as is_accepted,
        bool_or({{ outcome }}.outcome_code = 'refused') as is_refused
    from {{ attempt }}
    inner join {{ outcome }} on {{ attempt }}.outcome_code = {{ outcome }}.outcome_code
    group by {{ attempt }}.call_task_id
{%- endmacro %}

{#- Query: how many customers were added to and taken out of each list by hand. -#}
{% macro lists_adjusted(adjustment) -%}
    select
        business_date,
        revisit_tag,
        count(*) filter (where is_added) as added_count,
        count(*) filter (where not is_added) as taken_out_count
    from {{ adjustment }}
    group by business_date, revisit_tag
{%- endmacro %}
