-- The screen of the agent who picks up (受理来话): who is calling, found by his number.
--
-- No number is stored for it. The key is a digest with a secret of this warehouse, so that nobody who
-- reads the table can find out a number by trying them all.
create table if not exists ops.secret (
    secret_name text primary key,
    secret_value text not null
);
comment on table ops.secret is 'One row per secret that is made in and never leaves this warehouse.';
insert into ops.secret
values ('phone_key', gen_random_uuid()::text || gen_random_uuid()::text)
on conflict do nothing;
grant select on ops.secret to retention_transformer;

create or replace function ops.phone_key(phone_number text, secret text) returns bytea
language sql immutable
return sha256(
    convert_to(
        secret
        || regexp_replace(regexp_replace(phone_number, '\D', '', 'g'), '^(00)?86(?=1\d{10}$)', ''),
        'UTF8'
    )
);
comment on function ops.phone_key is
    'Digest of a phone number, written with or without country code, spaces and dashes.';

drop function if exists dialer.inbound_hint(text);
create function dialer.inbound_hint(phone_number text)
returns table (
    customer_id text,
    masked_name text,
    number_kind text,
    value_tier text,
    star_level integer,
    account_manager_staff_id text,
    colour_codes text [],
    is_on_black_list boolean,
    open_ticket_count integer,
    oldest_open_ticket_at timestamptz,
    complaint_sensitivity_band text,
    fee_sensitivity_band text,
    is_complaint_alert boolean,
    interpretations_zh text,
    current_offer_zh text,
    campaign_offer_zh text,
    campaign_contact_count integer,
    to_avoid_zh text,
    to_do_zh text,
    is_do_not_call boolean,
    as_of_date date
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    -- Before the first night there is nobody to find.
    if to_regclass('intermediate.inbound_number') is null
        or to_regclass('marts.customer_360') is null
        or to_regclass('marts.channel_offer') is null then
        return;
    end if;
    return query
    select
        customer.customer_id,
        customer.masked_name,
        number.number_kind,
        customer.value_tier,
        customer.star_level,
        customer.account_manager_staff_id,
        customer.colour_codes,
        customer.is_on_black_list,
        customer.open_ticket_count,
        customer.oldest_open_ticket_at,
        customer.complaint_sensitivity_band,
        customer.fee_sensitivity_band,
        customer.is_complaint_alert,
        customer.interpretations_zh,
        customer.suitable_service_zh,
        offer.message_zh,
        offer.contact_count,
        customer.to_avoid_zh,
        customer.to_do_zh,
        customer.is_do_not_call,
        customer.business_date
    from intermediate.inbound_number as number
    inner join marts.customer_360 as customer on number.customer_id = customer.customer_id
    left join marts.channel_offer as offer
        on customer.customer_id = offer.customer_id and offer.occasion = 'call_in'
    where number.phone_key = ops.phone_key(
        inbound_hint.phone_number,
        (select secret_value from ops.secret where secret_name = 'phone_key')
    )
    order by number.number_kind desc, customer.customer_id;
end;
$$;
comment on function dialer.inbound_hint is
    'One row per customer who may call from this number: sensitivities, open faults, offer, what to avoid.';
revoke all on function dialer.inbound_hint(text) from public;
grant execute on function dialer.inbound_hint(text) to retention_dialer;
