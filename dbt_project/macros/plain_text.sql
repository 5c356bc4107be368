{#-
    Text in one form for recognition: full-width letters, digits and punctuation become half-width,
    letters lower case, and no space is left.
-#}
{% macro plain_text(text) -%}
    lower(regexp_replace(normalize({{ text }}, nfkc), '\s+', '', 'g'))
{%- endmacro %}
