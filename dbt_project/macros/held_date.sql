{#-
    The night that tonight goes on from, for a model of the incremental strategy `replace_as_of`: the
    newest before it that the model still holds, for tonight's as-of date; null for a day of the past
    and where nothing is held, which have to be built from the start.
-#}
{% macro held_date(as_of_date) -%}
    {%- if is_incremental() -%}
        case
            when {{ as_of_date }} = {{ business_date() }}
                then (
                    select max(held.as_of_date) as newest_date
                    from {{ this }} as held
                    where held.as_of_date < {{ business_date() }}
                )
        end
    {%- else -%}
        null::date
    {%- endif -%}
{%- endmacro %}
