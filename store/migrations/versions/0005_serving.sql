-- Who may see what, keys and their use, the audit chain, search, places, webhooks. Views: generated from serving/sql/views.py.

create schema if not exists serving;
comment on schema serving is '服务区：授权、密钥、用量、检索、订阅 | grants, keys, use, search, webhooks; not for applications';
create schema if not exists onemap;
comment on schema onemap is '一张图：供下游应用查询的视图 | stable views for applications';
create schema if not exists asked;
comment on schema asked is '接口专用：与 onemap 同样的视图，不设安全屏障 | the same views for the API, whose SQL is its own';

-- roles are of the whole server and may be there already; without CREATEROLE an administrator makes them
do $$
declare
    wanted text;
begin
    foreach wanted in array array['onemap_reader', 'onemap_scoped', 'onemap_api'] loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I nologin', wanted);
            end if;
        exception
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then raise warning 'role % is missing and this user may not make it', wanted;
        end;
    end loop;
    begin
        -- a superuser is a member of everything; any other owner must be able to act for the API
        if exists (select from pg_roles where rolname = 'onemap_api') and not pg_has_role(current_user, 'onemap_api', 'usage') then
            execute format('grant onemap_api to %I', current_user);
        end if;
    exception
        when insufficient_privilege then raise warning 'this user may not act as onemap_api';
    end;
end $$;

create table serving.role_grant (
    role text primary key,
    towns text[],
    departments text[],
    personal boolean not null default false,
    note text,
    made_at timestamptz not null default now(),
    made_by text not null
);
comment on table serving.role_grant is '数据库角色的授权范围 | what a database role may see; towns and departments null: not restricted by them';
comment on column serving.role_grant.towns is '镇街代码 | town codes, 9 digits';
comment on column serving.role_grant.departments is '部门代码 | unified social credit codes of departments';

create type serving.sight as (free boolean, personal boolean, towns text[], departments text[], items text[]);
comment on type serving.sight is '可见范围：不受限、个人信息、镇街、部门、部门牵头的事项 | what somebody may see; null: not restricted by it';

-- A view asks for whom it is read: inside of it current_user is the reader, and inside of this function the owner, who may
-- look up grants. What the API says in onemap.grant is believed of the API's role and of the owner alone.
create function serving.sight_of(reader name) returns serving.sight language plpgsql stable security definer set search_path = '' as
$$
declare
    told jsonb := nullif(pg_catalog.current_setting('onemap.grant', true), '')::jsonb;
    owner name := pg_catalog.pg_get_userbyid((select c.relowner from pg_catalog.pg_class c where c.oid = 'store.project'::regclass));
    seen serving.sight;
begin
    if reader = 'onemap_api' then
        told := coalesce(told, '{"towns": []}');
    elsif reader = owner then
        told := coalesce(told, '{"free": true, "personal": true}');
    elsif (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = reader) then
        told := '{"free": true, "personal": true}';
    else
        -- several grants: of each kind the union, of the kinds all hold; a role never gains by what does not restrict it
        select jsonb_build_object(
                   'towns', (select jsonb_agg(t) from serving.role_grant h join pg_catalog.pg_roles q on q.rolname = h.role, unnest(h.towns) t
                             where pg_has_role(reader, q.oid, 'usage')),
                   'departments', (select jsonb_agg(t) from serving.role_grant h join pg_catalog.pg_roles q on q.rolname = h.role, unnest(h.departments) t
                                   where pg_has_role(reader, q.oid, 'usage')),
                   'free', bool_and(g.towns is null and g.departments is null), 'personal', bool_and(g.personal))
            into told
            from serving.role_grant g join pg_catalog.pg_roles r on r.rolname = g.role
            where pg_has_role(reader, r.oid, 'usage')
            having count(*) > 0;
        if told is null then
            told := case when exists (select from pg_catalog.pg_roles r where r.rolname = 'onemap_reader' and pg_has_role(reader, r.oid, 'usage'))
                         then '{"free": true}' else '{"towns": []}' end;
        end if;
    end if;
    seen.free := coalesce((told ->> 'free')::boolean, false);
    seen.personal := coalesce((told ->> 'personal')::boolean, false);
    if jsonb_typeof(told -> 'towns') = 'array' then
        seen.towns := array(select jsonb_array_elements_text(told -> 'towns'));
    end if;
    if jsonb_typeof(told -> 'departments') = 'array' then
        seen.departments := array(select jsonb_array_elements_text(told -> 'departments'));
        seen.items := array(select distinct i.item_code from store.item i where i.gone_at is null and i.department_code = any (seen.departments));
        -- systems write a department's code in 18 characters or in the 9 of its organisation code (GB 11714)
        seen.departments := seen.departments || array(select substr(d, 9, 9) from unnest(seen.departments) d where length(d) = 18);
    end if;
    return seen;
end $$;
comment on function serving.sight_of(name) is '某角色的可见范围 | what a role may see';

create function serving.mask_name(value text) returns text language sql immutable parallel safe
    return case when value is null then null when char_length(value) < 2 then '*' else left(value, 1) || repeat('*', least(char_length(value) - 1, 6)) end;
create function serving.mask_phone(value text) returns text language sql immutable parallel safe
    return case when value is null then null when char_length(value) < 8 then '****' else left(value, 3) || '****' || right(value, 4) end;
create function serving.mask_number(value text) returns text language sql immutable parallel safe
    return case when value is null then null when char_length(value) < 12 then '****'
                else left(value, 4) || repeat('*', char_length(value) - 8) || right(value, 4) end;
comment on function serving.mask_name(text) is '姓名脱敏：留首字 | keeps the first character';
comment on function serving.mask_phone(text) is '手机脱敏：138****1234 | keeps 3 and 4';
comment on function serving.mask_number(text) is '证件号脱敏：4419**********001X | keeps 4 and 4';

-- what supervision expects of a project, item by item
create table supervision.project_item (
    project_code text not null,
    item_code text not null,
    item_name text,
    stage integer,
    kind text,
    department text,
    department_code text,
    expected boolean,
    state text not null,
    done_at timestamp,
    turn text,
    as_of date not null,
    primary key (project_code, item_code)
);
comment on table supervision.project_item is '项目应办事项及其状态 | what a project is expected to go through, and how far it is';
comment on column supervision.project_item.expected is '是否应办；空：未能判定 | null: cannot be judged';
comment on column supervision.project_item.state is '已办 在办 未办 未知';

create index case_department_code_ix on store."case" (department_code);
create index case_in_project_ix on store."case" (project_code, department_code, item_code) where gone_at is null;
create index change_xid_seq_ix on store.change (xid, seq);
create index clock_project_light_ix on supervision.clock (project_code, light);

-- search without an extension: every 1, 2 and 3 letters that follow each other in a project's names
create table serving.name (
    project_code text primary key,
    content_hash bytea not null,
    text text not null,
    grams text[] not null
);
create index name_grams_ix on serving.name using gin (grams);
comment on table serving.name is '检索：名称、单位、代码、全拼、简拼 | names, enterprise, codes, pinyin and initials of each project';
create table serving.place (
    entity text not null,
    id text not null,
    content_hash bytea not null,
    town_code text,
    primary key (entity, id)
);
create index place_town_ix on serving.place (town_code, entity);
comment on table serving.place is '所在镇街：无项目代码的图形 | town in which a shape lies, for what names no project';
create table serving.derived_until (
    what text primary key,
    seq bigint not null
);
comment on table serving.derived_until is '派生进度 | up to where of store.change names and places are made';

-- lookups whose operators would not pass a security barrier: they give ids, the views judge them
create function serving.found(wanted text[], recheck text) returns setof text language sql stable security definer set search_path = '' as
$$ select n.project_code from serving.name n where n.grams operator(pg_catalog.@>) wanted and pg_catalog.strpos(n.text, recheck) > 0 $$;
create function serving.in_box(entity text, within box) returns setof text language plpgsql stable security definer set search_path = '' as
$$ begin
    case entity
        when 'redline' then return query select r.id from store.redline r where r.geom_box operator(pg_catalog.&&) within and r.gone_at is null;
        when 'parcel' then return query select r.id from store.parcel r where r.geom_box operator(pg_catalog.&&) within and r.gone_at is null;
        when 'change_polygon' then return query select r.id from store.change_polygon r where r.geom_box operator(pg_catalog.&&) within and r.gone_at is null;
        when 'scene' then return query select r.id from store.scene r where r.geom_box operator(pg_catalog.&&) within and r.gone_at is null;
        when 'land_approval' then return query select r.id from store.land_approval r where r.geom_box operator(pg_catalog.&&) within and r.gone_at is null;
    end case;
end $$;
create function serving.boxes_of(project text) returns table (geom_box box) language sql stable security definer set search_path = '' as
$$ select r.geom_box from store.redline r where r.project_code operator(pg_catalog.=) project and r.gone_at is null and r.geom_box is not null $$;

create table serving.api_key (
    id text primary key,
    digest bytea not null unique,
    name text not null,
    scopes text[] not null,
    per_minute integer not null,
    per_day integer not null,
    made_at timestamptz not null default now(),
    made_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text
);
comment on table serving.api_key is '接口密钥：只存摘要 | keys of the API; the key itself is not kept';
comment on column serving.api_key.digest is '密钥的 SHA-256 | of the whole key, which holds 256 random bits';
create unlogged table serving.key_use (
    key_id text not null,
    span text not null,
    start timestamptz not null,
    used bigint not null,
    primary key (key_id, span)
);
comment on table serving.key_use is '用量计数：分钟、日 | requests in the running minute and day';
create function serving.admit(sent bytea, out id text, out name text, out scopes text[], out per_minute integer, out per_day integer,
                              out minute_used bigint, out day_used bigint, out minute_left double precision, out day_left double precision)
    returns setof record language plpgsql as
$$
declare
    k serving.api_key;
    minute timestamptz := date_trunc('minute', clock_timestamp());
    day timestamptz := date_trunc('day', clock_timestamp());
begin
    select * into k from serving.api_key a
    where a.digest = sent and a.revoked_at is null and (a.expires_at is null or a.expires_at > clock_timestamp());
    if not found then return; end if;
    insert into serving.key_use as u values (k.id, 'minute', minute, 1)
        on conflict (key_id, span) do update set used = case when u.start = excluded.start then u.used + 1 else 1 end, start = excluded.start
        returning used into minute_used;
    insert into serving.key_use as u values (k.id, 'day', day, 1)
        on conflict (key_id, span) do update set used = case when u.start = excluded.start then u.used + 1 else 1 end, start = excluded.start
        returning used into day_used;
    id := k.id; name := k.name; scopes := k.scopes; per_minute := k.per_minute; per_day := k.per_day;
    minute_left := extract(epoch from minute + interval '1 minute' - clock_timestamp());
    day_left := extract(epoch from day + interval '1 day' - clock_timestamp());
    return next;
end $$;
comment on function serving.admit(bytea) is '认证并计数 | the key of a digest, counted; no row: unknown, revoked or expired';

-- the audit log: whoever writes, number and chain are made here
create function store.audit_text(seq bigint, at timestamptz, actor text, action text, object text, detail jsonb) returns bytea
    language sql immutable parallel safe
    return convert_to(
        (select string_agg(octet_length(part) || ':' || part || ',', '' order by place)
         from unnest(array[seq::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, action, object, detail::text])
              with ordinality as parts (part, place)), 'UTF8');
comment on function store.audit_text(bigint, timestamptz, text, text, text, jsonb) is
    '参与摘要的正文 | what is hashed: each part as a netstring, <bytes>:<part>,';
create function store.audit_chain() returns trigger language plpgsql as
$$
declare
    last record;
begin
    perform pg_advisory_xact_lock(hashtextextended('onemap:audit', 0));
    select a.seq, a.digest into last from store.audit a order by a.seq desc limit 1;
    new.seq := coalesce(last.seq, 0) + 1;
    new.at := clock_timestamp();
    new.previous := coalesce(last.digest, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea);
    new.digest := sha256(new.previous || store.audit_text(new.seq, new.at, new.actor, new.action, new.object, new.detail));
    return new;
end $$;
comment on function store.audit_chain() is '续链 | numbers an entry and chains it to the one before';
create trigger audit_chain before insert on store.audit for each row execute function store.audit_chain();
create function store.audit_kept() returns trigger language plpgsql as
$$ begin raise exception 'store.audit is append-only'; end $$;
create trigger audit_kept before update or delete on store.audit for each row execute function store.audit_kept();
create trigger audit_not_emptied before truncate on store.audit for each statement execute function store.audit_kept();

create function serving.feed_until(after_xid bigint, after_seq bigint, ahead integer, out xid bigint, out seq bigint, out last boolean)
    language sql stable security definer set search_path = '' as
$$
    with looked as (
        select c.xid, c.seq from store.change c
        where (c.xid, c.seq) > (after_xid, after_seq) and c.xid < (pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text)::bigint
        order by c.xid, c.seq limit ahead)
    select coalesce((select l.xid from looked l order by l.xid desc, l.seq desc limit 1), after_xid),
           coalesce((select l.seq from looked l order by l.xid desc, l.seq desc limit 1), after_seq),
           (select count(*) from looked) < ahead
$$;
comment on function serving.feed_until(bigint, bigint, integer) is
    '变更流可读到的位置 | how far the feed may be read: so many changes on, before the oldest transaction that runs';

create function serving.feed_end(out xid bigint, out seq bigint) language sql stable security definer set search_path = '' as
$$
    select coalesce(max(l.xid), -1), coalesce(max(l.seq), -1)
    from (select c.xid, c.seq from store.change c
          where c.xid < (pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text)::bigint
          order by c.xid desc, c.seq desc limit 1) l
$$;
comment on function serving.feed_end() is '变更流当前末尾 | the last change that may be read now';

create table serving.webhook (
    name text primary key,
    connection text not null,
    entities text[],
    scopes text[] not null,
    xid bigint not null default -1,
    seq bigint not null default -1,
    made_at timestamptz not null default now(),
    made_by text not null,
    stopped_at timestamptz,
    stopped_why text,
    failures integer not null default 0,
    next_try_at timestamptz not null default now()
);
comment on table serving.webhook is '变更订阅 | who is told of changes, and up to where it was told';
comment on column serving.webhook.connection is '地址与签名密钥所在的 Airflow 连接 | the Airflow Connection with address and signing secret';
comment on column serving.webhook.xid is '已送达位置 | what was taken reaches up to here';
comment on column serving.webhook.next_try_at is '下次推送不早于 | backs off while the receiver fails';
create table serving.delivery (
    id uuid primary key default gen_random_uuid(),
    webhook text not null references serving.webhook (name),
    body bytea not null,
    changes integer not null,
    xid bigint not null,
    seq bigint not null,
    made_at timestamptz not null default now(),
    attempts integer not null default 0,
    tried_at timestamptz,
    status integer,
    error text,
    delivered_at timestamptz
);
create unique index delivery_waiting_ix on serving.delivery (webhook) where delivered_at is null;
comment on table serving.delivery is '推送：正文先存后发，未成功前原样重发 | a message is stored before it is sent, and sent again as it is until it is taken';

create table serving.balance (
    feed text not null,
    at timestamptz not null default now(),
    day date not null,
    run_id bigint,
    rows_in bigint not null,
    accounted bigint not null,
    live bigint not null,
    claimed bigint,
    quarantined bigint not null,
    primary key (feed, day)
);
comment on table serving.balance is '每日平衡：来源与在库 | source against store, one row a feed and day';


-- geometry for GIS clients, where PostGIS is there; may be called again once it has been installed
create function serving.add_geometry() returns boolean language plpgsql as
$$
declare
    entity text;
begin
    if not exists (select from pg_extension where extname = 'postgis') then
        if not exists (select from pg_available_extensions where name = 'postgis') then return false; end if;
        begin
            create extension postgis;
        exception when insufficient_privilege then return false;
        end;
    end if;
    foreach entity in array array['redline', 'parcel', 'change_polygon', 'scene', 'land_approval'] loop
        execute format(
            $view$create or replace view onemap.%1$I with (security_barrier) as
                  select v.*, st_setsrid(st_geomfromwkb(v.geom), 4490)::geometry(Geometry, 4490) as geometry from onemap.%2$I v$view$,
            entity || '_geometry', entity);
        execute format('comment on view onemap.%I is %L', entity || '_geometry', '带几何列，供 GIS 使用 | ' || entity || ' with a PostGIS geometry, EPSG:4490');
        execute format('comment on column onemap.%I.geometry is %L', entity || '_geometry', '几何 | PostGIS geometry, EPSG:4490, longitude first');
    end loop;
    execute $view$create or replace view onemap.project_geometry with (security_barrier) as
        select p.*, coalesce(r.area, case when p.longitude is not null and p.latitude is not null
                                          then st_setsrid(st_makepoint(p.longitude, p.latitude), 4490) end)::geometry(Geometry, 4490) as geometry
        from onemap.project p
        left join lateral (select st_union(st_setsrid(st_geomfromwkb(x.geom), 4490)) as area from onemap.redline x
                           where x.project_code = p.project_code and x.geom is not null) r on true$view$;
    execute $note$comment on view onemap.project_geometry is '项目及其红线（无红线时为坐标点）| projects with their red lines, else their point'$note$;
    execute $note$comment on column onemap.project_geometry.geometry is '几何 | PostGIS geometry, EPSG:4490, longitude first'$note$;
    for entity in select rolname from pg_roles where rolname in ('onemap_reader', 'onemap_scoped') loop
        execute format('grant select on all tables in schema onemap to %I', entity);
    end loop;
    return true;
end $$;
comment on function serving.add_geometry() is '有 PostGIS 时建几何视图 | makes the views with geometry where PostGIS is there';

