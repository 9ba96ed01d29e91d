create view onemap.project with (security_barrier) as
select
    x.id as id,
    x.project_code as project_code,
    x.project_name as project_name,
    x.filing_type as filing_type,
    x.project_type as project_type,
    x.process_type as process_type,
    x.applicant_name as applicant_name,
    x.applicant_uscc as applicant_uscc,
    x.place as place,
    case when (select (serving.sight_of(current_user)).personal) then x.scope else serving.mask_text(x.scope, array[x.agent]::text[]) end as scope,
    x.filing_organ as filing_organ,
    x.total_invest as total_invest,
    x.industry_code as industry_code,
    x.planned_start as planned_start,
    x.planned_end as planned_end,
    x.submitted_at as submitted_at,
    x.finished_at as finished_at,
    x.filing_date as filing_date,
    x.expires_at as expires_at,
    x.validity as validity,
    x.filing_state as filing_state,
    x.town_code as town_code,
    x.town_name as town_name,
    case when (select (serving.sight_of(current_user)).personal) then x.agent else serving.mask_name(x.agent) end as agent,
    x.fast_track as fast_track,
    x.conditions as conditions,
    x.planned_items as planned_items,
    x.longitude as longitude,
    x.latitude as latitude,
    x.land_area as land_area,
    x.floor_area as floor_area,
    s.current_stage as current_stage,
    (select st.stage_name from supervision.stage_state st where st.project_code = x.id and st.stage = s.current_stage) as current_stage_name,
    s.finished as finished,
    s.current_items as current_items,
    (select case min(array_position(array['双红', '红', '待数据', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '待数据' when 4 then '黄' when 5 then '蓝' when 6 then '绿' end
    from supervision.clock k where k.project_code = x.id and k.light <> '灰') as light,
    (select count(*) from supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ((select (serving.sight_of(current_user)).free) or (select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on column onemap.project.light is '灯 | worst light of its running cases: 双红 红 待数据 黄 蓝 绿; null: none runs';
create view asked.project as
select
    x.id as id,
    x.project_code as project_code,
    x.project_name as project_name,
    x.filing_type as filing_type,
    x.project_type as project_type,
    x.process_type as process_type,
    x.applicant_name as applicant_name,
    x.applicant_uscc as applicant_uscc,
    x.place as place,
    case when (select (serving.sight_of(current_user)).personal) then x.scope else serving.mask_text(x.scope, array[x.agent]::text[]) end as scope,
    x.filing_organ as filing_organ,
    x.total_invest as total_invest,
    x.industry_code as industry_code,
    x.planned_start as planned_start,
    x.planned_end as planned_end,
    x.submitted_at as submitted_at,
    x.finished_at as finished_at,
    x.filing_date as filing_date,
    x.expires_at as expires_at,
    x.validity as validity,
    x.filing_state as filing_state,
    x.town_code as town_code,
    x.town_name as town_name,
    case when (select (serving.sight_of(current_user)).personal) then x.agent else serving.mask_name(x.agent) end as agent,
    x.fast_track as fast_track,
    x.conditions as conditions,
    x.planned_items as planned_items,
    x.longitude as longitude,
    x.latitude as latitude,
    x.land_area as land_area,
    x.floor_area as floor_area,
    s.current_stage as current_stage,
    (select st.stage_name from supervision.stage_state st where st.project_code = x.id and st.stage = s.current_stage) as current_stage_name,
    s.finished as finished,
    s.current_items as current_items,
    (select case min(array_position(array['双红', '红', '待数据', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '待数据' when 4 then '黄' when 5 then '蓝' when 6 then '绿' end
    from supervision.clock k where k.project_code = x.id and k.light <> '灰') as light,
    (select count(*) from supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ((select (serving.sight_of(current_user)).free) or (select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on column asked.project.light is '灯 | worst light of its running cases: 双红 红 待数据 黄 蓝 绿; null: none runs';
comment on column onemap."case".light is '灯 | 灰 双红 红 蓝 黄 绿, 待数据: its source is silent; null: no limit, or not accepted';
comment on column asked."case".light is '灯 | 灰 双红 红 蓝 黄 绿, 待数据: its source is silent; null: no limit, or not accepted';
create view onemap.finding with (security_barrier) as
select
    x.id as id,
    x.rule as rule,
    x.project_code as project_code,
    nullif(x.item_code, '') as item_code,
    nullif(x.case_no, '') as case_no,
    x.case_id as case_id,
    x.level as level,
    x.kind as kind,
    x.severity as severity,
    x.department_code as department_code,
    x.department_name as department_name,
    x.text as text,
    x.evidence as evidence,
    x.state as state,
    x.opened_on as opened_on,
    x.closed_on as closed_on,
    x.judged_on as judged_on,
    x.decided_at as decided_at,
    x.decision_note as decision_note,
    (x.state in ('open', 'confirmed') and exists (select from supervision.waiting w where w.rule = x.rule and w.project_code = x.project_code
            and w.item_code = x.item_code and w.case_no = x.case_no)) as waits
from supervision.finding x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on column onemap.finding.waits is '未判定 | its data have a hole: it stands, and is neither urged nor escalated until they come';
create view asked.finding as
select
    x.id as id,
    x.rule as rule,
    x.project_code as project_code,
    nullif(x.item_code, '') as item_code,
    nullif(x.case_no, '') as case_no,
    x.case_id as case_id,
    x.level as level,
    x.kind as kind,
    x.severity as severity,
    x.department_code as department_code,
    x.department_name as department_name,
    x.text as text,
    x.evidence as evidence,
    x.state as state,
    x.opened_on as opened_on,
    x.closed_on as closed_on,
    x.judged_on as judged_on,
    x.decided_at as decided_at,
    x.decision_note as decision_note,
    (x.state in ('open', 'confirmed') and exists (select from supervision.waiting w where w.rule = x.rule and w.project_code = x.project_code
            and w.item_code = x.item_code and w.case_no = x.case_no)) as waits
from supervision.finding x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on column asked.finding.waits is '未判定 | its data have a hole: it stands, and is neither urged nor escalated until they come';
