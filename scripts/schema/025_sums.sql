-- Sum of whole numbers that stays one: sum(bigint) is numeric, and keeping it for each of a million
-- lines takes half of the time of adding up their windows (macros/windowed_usage.sql). A sum that does
-- not fit fails.
create or replace aggregate ops.bigint_sum(bigint) (
    sfunc = int8pl,
    stype = bigint,
    combinefunc = int8pl,
    parallel = safe
);
comment on aggregate ops.bigint_sum(bigint) is 'Sum as a whole number; fails if it does not fit.';
