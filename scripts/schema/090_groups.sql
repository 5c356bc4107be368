-- Groups of customers that analysts save as conditions on the customer view (挽留分组).
--
-- A group is a name and conditions that all have to hold. To save it again makes a new version; every
-- version is kept, so that a past night's members (marts.fct_group_member) can be explained. Analysts
-- write through marts.save_group and marts.end_group alone.

create table if not exists ops.retention_group (
    group_code text not null check (group_code ~ '^[a-z][a-z0-9_]{0,39}$'),
    group_version integer not null check (group_version > 0),
    group_name text not null check (group_name <> ''),
    is_ended boolean not null default false,
    saved_by text not null check (saved_by <> ''),
    database_user text not null default session_user,
    saved_at timestamptz not null default clock_timestamp(),
    primary key (group_code, group_version)
);

create table if not exists ops.retention_group_condition (
    group_code text not null,
    group_version integer not null,
    condition_number integer not null,
    column_name text not null,
    operator text not null,
    operands text [] not null,
    primary key (group_code, group_version, condition_number),
    foreign key (group_code, group_version) references ops.retention_group
);

create or replace view marts.retention_group as
select * from ops.retention_group;
comment on view marts.retention_group is
    'One row per group of customers and version of it (挽留分组): who saved it, and when. Append-only.';
comment on column marts.retention_group.is_ended is
    'From this version on the group has no members.';
comment on column marts.retention_group.saved_by is 'Who saved it (工号).';
comment on column marts.retention_group.database_user is 'Login with which it was saved.';

create or replace view marts.retention_group_condition as
select * from ops.retention_group_condition;
comment on view marts.retention_group_condition is
    'One row per condition of a version of a group (分组条件); all of them have to hold.';
comment on column marts.retention_group_condition.column_name is 'Column of marts.customer_360.';
comment on column marts.retention_group_condition.operator is
    '= any of the operands, <> all of them, <, <=, >, >= the only one, contains any of them (a column
    that is a list), is null, is not null.';

-- What is wrong with a condition as the customer view stands; null if nothing is.
create or replace function marts.group_condition_problem(
    column_name text, operator text, operands text []
)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    column_type regtype;
    is_list boolean;
    operand text;
begin
    select attribute.atttypid into column_type
    from pg_attribute as attribute
    where
        attribute.attrelid = to_regclass('marts.customer_360')
        and attribute.attname = group_condition_problem.column_name
        and attribute.attnum > 0
        and not attribute.attisdropped;
    if column_type is null then
        return format('marts.customer_360 has no column %s', coalesce(column_name, '(none)'));
    end if;
    is_list := column_type = 'text[]'::regtype;
    if operator is null or operator not in (
        '=', '<>', '<', '<=', '>', '>=', 'contains', 'is null', 'is not null'
    ) then
        return format('there is no operator %s', coalesce(operator, '(none)'));
    elsif operator like 'is %' then
        return case
            when cardinality(operands) > 0
                then format('%s %s takes no value', column_name, operator)
        end;
    elsif is_list <> (operator = 'contains') then
        return format('%s is %s: %s does not fit', column_name, column_type, operator);
    elsif cardinality(operands) = 0 or array_position(operands, null) is not null then
        return format('%s %s needs a value', column_name, operator);
    elsif cardinality(operands) > 1 and operator in ('<', '<=', '>', '>=') then
        return format('%s %s takes one value', column_name, operator);
    end if;
    if not is_list then
        foreach operand in array operands loop
            if not pg_input_is_valid(operand, column_type::text) then
                return format('%s is %s: %L is none', column_name, column_type, operand);
            end if;
        end loop;
    end if;
    return null;
end;
$$;
comment on function marts.group_condition_problem is
    'What is wrong with a condition on marts.customer_360; null if it can be asked.';

-- Save a group, or a new version of it; returns the version. Conditions are a list of
-- {"column": "region", "operator": "=", "value": "星河市"}; a value may be a list.
create or replace function marts.save_group(
    saved_by text, group_code text, group_name text, conditions jsonb
)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    new_version integer;
    problems text;
begin
    if jsonb_typeof(save_group.conditions) is distinct from 'array'
        or jsonb_array_length(save_group.conditions) = 0
    then
        raise exception 'a group needs a list of conditions' using errcode = 'check_violation';
    end if;
    select 1 + coalesce(max(held.group_version), 0) into new_version
    from ops.retention_group as held where held.group_code = save_group.group_code;
    insert into ops.retention_group (group_code, group_version, group_name, saved_by)
    values (save_group.group_code, new_version, save_group.group_name, save_group.saved_by);
    insert into ops.retention_group_condition (
        group_code, group_version, condition_number, column_name, operator, operands
    )
    select
        save_group.group_code,
        new_version,
        listed.condition_number,
        coalesce(listed.condition ->> 'column', ''),
        coalesce(listed.condition ->> 'operator', ''),
        case jsonb_typeof(listed.condition -> 'value')
            when 'array' then array(select jsonb_array_elements_text(listed.condition -> 'value'))
            else array_remove(array[listed.condition ->> 'value'], null)
        end
    from
        jsonb_array_elements(save_group.conditions)
        with ordinality as listed (condition, condition_number);
    select
        string_agg(format('condition %s: %s', condition_number, problem), '; '
            order by condition_number)
    into problems
    from (
        select
            saved.condition_number,
            marts.group_condition_problem(saved.column_name, saved.operator, saved.operands)
                as problem
        from ops.retention_group_condition as saved
        where saved.group_code = save_group.group_code and saved.group_version = new_version
    ) as checked
    where problem is not null;
    if problems is not null then
        raise exception '%', problems using errcode = 'check_violation';
    end if;
    return new_version;
end;
$$;
comment on function marts.save_group is
    'Save conditions on marts.customer_360 as a group, or as its next version (存为挽留分组).';

-- The group has no members any more; its versions are kept.
create or replace function marts.end_group(ended_by text, group_code text) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    new_version integer;
begin
    insert into ops.retention_group (group_code, group_version, group_name, is_ended, saved_by)
    select
        held.group_code,
        held.group_version + 1,
        held.group_name,
        true,
        end_group.ended_by
    from ops.retention_group as held
    where held.group_code = end_group.group_code
    order by held.group_version desc
    limit 1
    returning group_version into new_version;
    if new_version is null then
        raise exception 'there is no group %', end_group.group_code using errcode = 'check_violation';
    end if;
    return new_version;
end;
$$;
comment on function marts.end_group is 'From now on a group has no members (停用挽留分组).';

-- Who belongs to the groups, or to one, by their versions of a moment, as the customer view stands.
-- A condition that the view no longer answers leaves its group without members.
create or replace function marts.find_group_members(
    wanted_code text default null, saved_before timestamptz default 'infinity'
)
returns table (group_code text, group_version integer, customer_id text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    wanted record;
begin
    for wanted in
        with newest as (
            select distinct on (saved.group_code) saved.*
            from marts.retention_group as saved
            where
                saved.saved_at < find_group_members.saved_before
                and (wanted_code is null or saved.group_code = wanted_code)
            order by saved.group_code asc, saved.group_version desc
        )

        select
            newest.group_code,
            newest.group_version,
            string_agg(
                case
                    when condition.operator = '=' then format(
                        '%I = any(%L::%s[])',
                        condition.column_name, condition.operands, attribute.atttypid::regtype
                    )
                    when condition.operator = '<>' then format(
                        '%I <> all(%L::%s[])',
                        condition.column_name, condition.operands, attribute.atttypid::regtype
                    )
                    when condition.operator = 'contains' then format(
                        '%I && %L::text[]', condition.column_name, condition.operands
                    )
                    when condition.operator like 'is %'
                        then format('%I %s', condition.column_name, condition.operator)
                    else format(
                        '%I %s %L::%s',
                        condition.column_name, condition.operator, condition.operands[1],
                        attribute.atttypid::regtype
                    )
                end,
                ' and ' order by condition.condition_number
            ) as predicate
        from newest
        inner join marts.retention_group_condition as condition
            on
                newest.group_code = condition.group_code
                and newest.group_version = condition.group_version
        left join pg_attribute as attribute
            on
                attribute.attrelid = to_regclass('marts.customer_360')
                and condition.column_name = attribute.attname
        where not newest.is_ended
        group by newest.group_code, newest.group_version
        having count(
            marts.group_condition_problem(
                condition.column_name, condition.operator, condition.operands
            )
        ) = 0
    loop
        return query execute format(
            'select %L::text, %s, customer_id from marts.customer_360 where %s',
            wanted.group_code, wanted.group_version, wanted.predicate
        );
    end loop;
end;
$$;
comment on function marts.find_group_members is
    'Who belongs to the groups, as marts.customer_360 stands now (分组成员).';

revoke all on function
    marts.group_condition_problem(text, text, text []),
    marts.save_group(text, text, text, jsonb),
    marts.end_group(text, text),
    marts.find_group_members(text, timestamptz)
from public;
grant select on marts.retention_group, marts.retention_group_condition
    to retention_analyst, retention_transformer;
grant execute on function
    marts.save_group(text, text, text, jsonb),
    marts.end_group(text, text)
to retention_analyst;
grant execute on function
    marts.group_condition_problem(text, text, text []),
    marts.find_group_members(text, timestamptz)
to retention_analyst, retention_transformer;
