do $$
declare
    one text;
begin
    revoke all on schema onemap, asked, serving from public;
    foreach one in array array['onemap_reader', 'onemap_scoped', 'onemap_api'] loop
        if exists (select from pg_roles where rolname = one) then
            execute format('grant usage on schema onemap to %I', one);
            execute format('grant select on all tables in schema onemap to %I', one);
        end if;
    end loop;
    revoke execute on all functions in schema serving from public;
    -- a view's functions run as whoever reads it
    grant execute on function serving.mask_name(text), serving.mask_phone(text), serving.mask_number(text),
        serving.sight_of(name) to public;
    if exists (select from pg_roles where rolname = 'onemap_api') then
        grant usage on schema serving, asked to onemap_api;
        grant select on all tables in schema asked to onemap_api;
        grant execute on function serving.found(text[], text), serving.in_box(text, box), serving.boxes_of(text),
            serving.feed_until(bigint, bigint, integer), serving.feed_end() to onemap_api;
    end if;
end $$;
select serving.add_geometry();
