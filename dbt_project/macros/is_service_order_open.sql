{#- Whether the customer of a service order (工单, its states as in TMF641) still waits for it. -#}
{% macro is_service_order_open() -%}
    order_state not in ('completed', 'cancelled', 'rejected', 'failed')
{%- endmacro %}
