create view onemap.project with (security_barrier) as
select
    x.id as id,
    x.project_code as project_code,
    x.project_name as project_name,
    x.filing_type as filing_type,
    x.project_type as project_type,
    x.process_type as process_type,
    case when (select (serving.sight_of(current_user)).personal) then x.applicant_name else serving.mask_applicant(x.applicant_name, null, x.applicant_uscc) end as applicant_name,
    x.applicant_uscc as applicant_uscc,
    case when (select (serving.sight_of(current_user)).personal) then x.place else serving.mask_text(x.place, array[x.agent]::text[]) end as place,
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
                    and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and not (select (serving.sight_of(current_user)).enterprise)))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.id = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column onemap.project.applicant_name is '项目单位 | applicant name; masked unless it is known to be an organisation''s';
comment on column onemap.project.place is '建设地点 | place; ID numbers, phones and known names in it are masked';
create view asked.project as
select
    x.id as id,
    x.project_code as project_code,
    x.project_name as project_name,
    x.filing_type as filing_type,
    x.project_type as project_type,
    x.process_type as process_type,
    case when (select (serving.sight_of(current_user)).personal) then x.applicant_name else serving.mask_applicant(x.applicant_name, null, x.applicant_uscc) end as applicant_name,
    x.applicant_uscc as applicant_uscc,
    case when (select (serving.sight_of(current_user)).personal) then x.place else serving.mask_text(x.place, array[x.agent]::text[]) end as place,
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
                    and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and not (select (serving.sight_of(current_user)).enterprise)))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.id = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column asked.project.applicant_name is '项目单位 | applicant name; masked unless it is known to be an organisation''s';
comment on column asked.project.place is '建设地点 | place; ID numbers, phones and known names in it are masked';
create view onemap.material with (security_barrier) as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.seq as seq,
    x.role as role,
    x.name as name,
    x.medium as medium,
    x.form as form,
    x.file_type as file_type,
    case when (select (serving.sight_of(current_user)).personal) then x.reference else serving.mask_text(x.reference, '{}'::text[]) end as reference,
    x.signature as signature,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
comment on column onemap.material.reference is '附件标识 | the source''s id or path; never fetched by itself; ID numbers, phones and known names in it are masked';
create view asked.material as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.seq as seq,
    x.role as role,
    x.name as name,
    x.medium as medium,
    x.form as form,
    x.file_type as file_type,
    case when (select (serving.sight_of(current_user)).personal) then x.reference else serving.mask_text(x.reference, '{}'::text[]) end as reference,
    x.signature as signature,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
comment on column asked.material.reference is '附件标识 | the source''s id or path; never fetched by itself; ID numbers, phones and known names in it are masked';
create view onemap.licence with (security_barrier) as
select
    x.id as id,
    x.channel as channel,
    x.kind as kind,
    x.certificate_id as certificate_id,
    x.type_code as type_code,
    x.type_name as type_name,
    x.number as number,
    case when (select (serving.sight_of(current_user)).personal) then x.holder_name else serving.mask_applicant(x.holder_name, null, x.holder_code) end as holder_name,
    case when (select (serving.sight_of(current_user)).personal) then x.holder_code else serving.mask_number(x.holder_code) end as holder_code,
    x.organ_name as organ_name,
    x.organ_code as organ_code,
    x.issued_at as issued_at,
    x.valid_from as valid_from,
    x.valid_to as valid_to,
    x.state as state,
    x.project_code as project_code,
    x.engineering_code as engineering_code,
    x.case_no as case_no,
    x.item_code as item_code,
    case when (select (serving.sight_of(current_user)).personal) then x.title else serving.mask_text(x.title, '{}'::text[]) end as title,
    x.quotes_land as quotes_land,
    x.quotes_planning as quotes_planning,
    x.quotes_drawing as quotes_drawing,
    x.quotes_tender as quotes_tender,
    x.case_id as case_id,
    x.item_code_written as item_code_written,
    x.project_code_written as project_code_written,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."licence" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column onemap.licence.title is '标题 PFWJBT | title; ID numbers, phones and known names in it are masked';
create view asked.licence as
select
    x.id as id,
    x.channel as channel,
    x.kind as kind,
    x.certificate_id as certificate_id,
    x.type_code as type_code,
    x.type_name as type_name,
    x.number as number,
    case when (select (serving.sight_of(current_user)).personal) then x.holder_name else serving.mask_applicant(x.holder_name, null, x.holder_code) end as holder_name,
    case when (select (serving.sight_of(current_user)).personal) then x.holder_code else serving.mask_number(x.holder_code) end as holder_code,
    x.organ_name as organ_name,
    x.organ_code as organ_code,
    x.issued_at as issued_at,
    x.valid_from as valid_from,
    x.valid_to as valid_to,
    x.state as state,
    x.project_code as project_code,
    x.engineering_code as engineering_code,
    x.case_no as case_no,
    x.item_code as item_code,
    case when (select (serving.sight_of(current_user)).personal) then x.title else serving.mask_text(x.title, '{}'::text[]) end as title,
    x.quotes_land as quotes_land,
    x.quotes_planning as quotes_planning,
    x.quotes_drawing as quotes_drawing,
    x.quotes_tender as quotes_tender,
    x.case_id as case_id,
    x.item_code_written as item_code_written,
    x.project_code_written as project_code_written,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."licence" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column asked.licence.title is '标题 PFWJBT | title; ID numbers, phones and known names in it are masked';
create view onemap.enterprise with (security_barrier) as
select
    x.id as id,
    x.uscc as uscc,
    x.name as name,
    case when (select (serving.sight_of(current_user)).personal) then x.legal_person else serving.mask_name(x.legal_person) end as legal_person,
    x.reg_status as reg_status,
    x.reg_date as reg_date,
    x.industry_code as industry_code,
    x.reg_capital as reg_capital,
    case when (select (serving.sight_of(current_user)).personal) then x.address else serving.mask_text(x.address, array[x.legal_person]::text[]) end as address,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."enterprise" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or ep.id = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
comment on column onemap.enterprise.address is '住所 | address; ID numbers, phones and known names in it are masked';
create view asked.enterprise as
select
    x.id as id,
    x.uscc as uscc,
    x.name as name,
    case when (select (serving.sight_of(current_user)).personal) then x.legal_person else serving.mask_name(x.legal_person) end as legal_person,
    x.reg_status as reg_status,
    x.reg_date as reg_date,
    x.industry_code as industry_code,
    x.reg_capital as reg_capital,
    case when (select (serving.sight_of(current_user)).personal) then x.address else serving.mask_text(x.address, array[x.legal_person]::text[]) end as address,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."enterprise" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or ep.id = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
comment on column asked.enterprise.address is '住所 | address; ID numbers, phones and known names in it are masked';
create view onemap.land_approval with (security_barrier) as
select
    x.id as id,
    x.approval_no as approval_no,
    x.project_code as project_code,
    x.project_name as project_name,
    x.organ as organ,
    x.approved_at as approved_at,
    x.area as area,
    case when (select (serving.sight_of(current_user)).personal) then x.land_user else serving.mask_applicant(x.land_user, null, null) end as land_user,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."land_approval" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column onemap.land_approval.land_user is '用地单位 | land user; masked unless it is known to be an organisation''s';
create view asked.land_approval as
select
    x.id as id,
    x.approval_no as approval_no,
    x.project_code as project_code,
    x.project_name as project_name,
    x.organ as organ,
    x.approved_at as approved_at,
    x.area as area,
    case when (select (serving.sight_of(current_user)).personal) then x.land_user else serving.mask_applicant(x.land_user, null, null) end as land_user,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."land_approval" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
comment on column asked.land_approval.land_user is '用地单位 | land user; masked unless it is known to be an organisation''s';
