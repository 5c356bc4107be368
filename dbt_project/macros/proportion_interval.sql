{#-
    Intervals of shares, at 95 %; z is the normal quantile that belongs to it. A share is told by the
    number of those for whom something holds and the number of all (null or 0: no bound).
-#}

{#-
    Bound of a share by Wilson's score interval; side is -1 for the lower one and 1 for the upper
    (E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22, 1927).
-#}
{% macro wilson_bound(held, total, side, z=1.959963984540054) -%}
    (
        (
            {{ held }} + {{ z * z / 2 }}::double precision
            {{ "+" if side > 0 else "-" }} {{ z }}::double precision * sqrt(
                {{ held }}::double precision * ({{ total }} - {{ held }}) / nullif({{ total }}, 0)
                + {{ z * z / 4 }}
            )
        )
        / ({{ total }} + {{ z * z }}::double precision)
    )
{%- endmacro %}

{#-
    Bound of the difference between two independent shares, first less second, by Newcombe's hybrid
    score interval (R. G. Newcombe, Interval estimation for the difference between independent
    proportions, Statistics in Medicine 17, 1998, method 10). The shares are columns named <arm>_rate,
    their Wilson bounds <arm>_low and <arm>_high.
-#}
{% macro newcombe_bound(first, second, side) -%}
    {%- set near, far = ("high", "low") if side > 0 else ("low", "high") -%}
    (
        {{ first }}_rate - {{ second }}_rate {{ "+" if side > 0 else "-" }} sqrt(
            power({{ first }}_{{ near }} - {{ first }}_rate, 2)
            + power({{ second }}_rate - {{ second }}_{{ far }}, 2)
        )
    )
{%- endmacro %}
