with calling_hours as (
    select * from {{ ref('calling_hours') }}
),

holiday as (
    select * from {{ ref('holiday') }}
),

calling_day as (
    select
        {{ business_date() }} + 1 as calling_date,
        case
            when
                exists (
                    select holiday.holiday_date from holiday
                    where holiday.holiday_date = {{ business_date() }} + 1
                )
                then 'holiday'
            when extract(isodow from {{ business_date() }} + 1) >= 6 then 'weekend'
            else 'workday'
        end as day_kind
),

final as (
    select
        calling_hours.contact_class,
        {{ business_date() }} as business_date,
        calling_day.calling_date,
        calling_day.day_kind,
        calling_hours.first_hour,
        calling_hours.last_hour
    from calling_day
    inner join calling_hours
        on
            calling_day.day_kind = calling_hours.day_kind
            and {{ in_force(business_date(), 'calling_hours') }}
)

select * from final
