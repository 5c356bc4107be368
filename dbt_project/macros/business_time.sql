{#-
    Business time: a business date is a day in the operator's time zone. All arithmetic is done on
    local time and converted once, so that it does not depend on the time zone of the connection.
-#}

{#- The date this build is for, as a literal. -#}
{% macro business_date() -%}
    date '{{ build_setting("business_date") }}'
{%- endmacro %}

{#- Array of the days for which features and labels are built: given, or the business date alone. -#}
{% macro observation_dates() -%}
    {%- set days = build_setting("observation_dates", [build_setting("business_date")]) -%}
    array['{{ days | join("', '") }}']::date []
{%- endmacro %}

{#- Query: the days as of which customers and lines are looked at, the business date among them. -#}
{% macro as_of_dates() -%}
    select distinct unnest({{ observation_dates() }} || {{ business_date() }}) as as_of_date
{%- endmacro %}

{#- The earliest of them, a literal: what is bounded by it is read by index or not at all. -#}
{% macro earliest_as_of_date() -%}
    {%- set days = build_setting("observation_dates", []) | list + [build_setting("business_date")] -%}
    date '{{ days | map("string") | min }}'
{%- endmacro %}

{#- timestamptz of the end of a day, exclusive. -#}
{% macro end_of(day) -%}
    (({{ day }} + 1)::timestamp at time zone '{{ var("business_timezone") }}')
{%- endmacro %}

{#- timestamptz of the start of a day. -#}
{% macro start_of(day) -%}
    (({{ day }})::timestamp at time zone '{{ var("business_timezone") }}')
{%- endmacro %}

{#- timestamptz of the start of the month of the business date. -#}
{% macro start_of_month() -%}
    {{ start_of("date_trunc('month', " ~ business_date() ~ ")::date") }}
{%- endmacro %}

{#- timestamptz that lies `length` (an interval) before the end of a day: the start of a window. -#}
{% macro window_start(day, length) -%}
    ((({{ day }} + 1)::timestamp - {{ length }}) at time zone '{{ var("business_timezone") }}')
{%- endmacro %}

{#- Local day on which a moment lies. -#}
{% macro local_date(moment) -%}
    ({{ moment }} at time zone '{{ var("business_timezone") }}')::date
{%- endmacro %}

{#- Local time as text: fit for JSON, whatever the time zone of the connection. -#}
{% macro local_text(moment) -%}
    to_char({{ moment }} at time zone '{{ var("business_timezone") }}', 'YYYY-MM-DD HH24:MI:SS')
{%- endmacro %}

{#- Whole calendar months from a day to a later one. -#}
{% macro whole_months(first_day, day) -%}
    (
        extract(year from age({{ day }}, {{ first_day }})) * 12
        + extract(month from age({{ day }}, {{ first_day }}))
    )
{%- endmacro %}

{#- Whether a day is the last of its month. -#}
{% macro is_last_of_month(day) -%}
    extract(day from {{ day }} + 1) = 1
{%- endmacro %}
