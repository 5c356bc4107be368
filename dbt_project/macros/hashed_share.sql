{#-
    A number from 0 to below 1 drawn from a text, always the same for the same text and evenly spread:
    the first 32 bits of its MD5. Below a share of s lie s of all texts.
-#}
{% macro hashed_share(text) -%}
    (('x' || left(md5({{ text }}), 8))::bit(32)::bigint / 4294967296.0)
{%- endmacro %}
