create view past_store."case" as
select g.* from store."case" g
where not exists (select from serving.past_change l where l.entity = 'case' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."case" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'case' and l.op <> 'ADD';
create view past_store."case_event" as
select g.* from store."case_event" g
where not exists (select from serving.past_change l where l.entity = 'case_event' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."case_event" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'case_event' and l.op <> 'ADD';
create view past_store."change_polygon" as
select g.* from store."change_polygon" g
where not exists (select from serving.past_change l where l.entity = 'change_polygon' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."change_polygon" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'change_polygon' and l.op <> 'ADD';
create view past_store."engineering" as
select g.* from store."engineering" g
where not exists (select from serving.past_change l where l.entity = 'engineering' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."engineering" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'engineering' and l.op <> 'ADD';
create view past_store."enterprise" as
select g.* from store."enterprise" g
where not exists (select from serving.past_change l where l.entity = 'enterprise' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."enterprise" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'enterprise' and l.op <> 'ADD';
create view past_store."item" as
select g.* from store."item" g
where not exists (select from serving.past_change l where l.entity = 'item' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."item" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'item' and l.op <> 'ADD';
create view past_store."land_approval" as
select g.* from store."land_approval" g
where not exists (select from serving.past_change l where l.entity = 'land_approval' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."land_approval" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'land_approval' and l.op <> 'ADD';
create view past_store."licence" as
select g.* from store."licence" g
where not exists (select from serving.past_change l where l.entity = 'licence' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."licence" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'licence' and l.op <> 'ADD';
create view past_store."material" as
select g.* from store."material" g
where not exists (select from serving.past_change l where l.entity = 'material' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."material" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'material' and l.op <> 'ADD';
create view past_store."national_task" as
select g.* from store."national_task" g
where not exists (select from serving.past_change l where l.entity = 'national_task' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."national_task" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'national_task' and l.op <> 'ADD';
create view past_store."parcel" as
select g.* from store."parcel" g
where not exists (select from serving.past_change l where l.entity = 'parcel' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."parcel" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'parcel' and l.op <> 'ADD';
create view past_store."project" as
select g.* from store."project" g
where not exists (select from serving.past_change l where l.entity = 'project' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."project" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'project' and l.op <> 'ADD';
create view past_store."redline" as
select g.* from store."redline" g
where not exists (select from serving.past_change l where l.entity = 'redline' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."redline" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'redline' and l.op <> 'ADD';
create view past_store."scene" as
select g.* from store."scene" g
where not exists (select from serving.past_change l where l.entity = 'scene' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."scene" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'scene' and l.op <> 'ADD';
create view past_store."site_reading" as
select g.* from store."site_reading" g
where not exists (select from serving.past_change l where l.entity = 'site_reading' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."site_reading" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'site_reading' and l.op <> 'ADD';
create view past_store."special_procedure" as
select g.* from store."special_procedure" g
where not exists (select from serving.past_change l where l.entity = 'special_procedure' and l.entity_id = g.id)
union all
select r.* from serving.past_change l join store."special_procedure" g on g.id = l.entity_id
cross join lateral jsonb_populate_record(g, l.was) r where l.entity = 'special_procedure' and l.op <> 'ADD';
create view past_supervision.finding as
select r.* from supervision.finding g left join serving.past_change l on l.entity = 'finding' and l.entity_id = g.id
cross join lateral jsonb_populate_record(null::supervision.finding, jsonb_build_object('id', g.id, 'rule', g.rule, 'project_code', g.project_code, 'item_code', g.item_code, 'case_no', g.case_no, 'case_id', g.case_id, 'level', g.level, 'kind', g.kind, 'severity', g.severity, 'department_code', g.department_code, 'department_name', g.department_name, 'text', g.text, 'state', g.state, 'opened_on', g.opened_on, 'closed_on', g.closed_on, 'decision_note', g.decision_note) || coalesce(l.was, '{}')) r
where l.op is distinct from 'ADD'
union all
select r.* from serving.past_change l cross join lateral jsonb_populate_record(null::supervision.finding, l.was || jsonb_build_object('id', l.entity_id)) r
where l.entity = 'finding' and l.op <> 'ADD' and not exists (select from supervision.finding g where g.id = l.entity_id);
create view past_supervision.work_order as
select r.* from supervision.work_order g left join serving.past_change l on l.entity = 'work_order' and l.entity_id = g.no
cross join lateral jsonb_populate_record(null::supervision.work_order, jsonb_build_object('no', g.no, 'finding_id', g.finding_id, 'rule', g.rule, 'project_code', g.project_code, 'item_code', g.item_code, 'case_no', g.case_no, 'department_code', g.department_code, 'department_name', g.department_name, 'severity', g.severity, 'state', g.state, 'dispatched_at', g.dispatched_at, 'due_on', g.due_on, 'urged_on', g.urged_on, 'escalated_on', g.escalated_on, 'result', g.result, 'closed_at', g.closed_at) || coalesce(l.was, '{}')) r
where l.op is distinct from 'ADD'
union all
select r.* from serving.past_change l cross join lateral jsonb_populate_record(null::supervision.work_order, l.was || jsonb_build_object('no', l.entity_id)) r
where l.entity = 'work_order' and l.op <> 'ADD' and not exists (select from supervision.work_order g where g.no = l.entity_id);
create view past_supervision.stage_state as
select r.* from supervision.stage_state g left join serving.past_change l on l.entity = 'project_stage' and l.entity_id = g.project_code || ':' || g.stage
cross join lateral jsonb_populate_record(null::supervision.stage_state, jsonb_build_object('project_code', g.project_code, 'stage', g.stage, 'stage_name', g.stage_name, 'state', g.state, 'completed_at', g.completed_at) || coalesce(l.was, '{}')) r
where l.op is distinct from 'ADD'
union all
select r.* from serving.past_change l cross join lateral jsonb_populate_record(null::supervision.stage_state, l.was) r
where l.entity = 'project_stage' and l.op <> 'ADD' and not exists (select from supervision.stage_state g where g.project_code || ':' || g.stage = l.entity_id);
create view past_supervision.clock as
select r.* from supervision.clock g left join serving.past_change l on l.entity = 'clock' and l.entity_id = g.case_id
cross join lateral jsonb_populate_record(null::supervision.clock, jsonb_build_object('case_id', g.case_id, 'project_code', g.project_code, 'light', g.light, 'promised_limit', g.promised_limit, 'statutory_limit', g.statutory_limit, 'due_promised', g.due_promised, 'due_statutory', g.due_statutory, 'ended_at', g.ended_at, 'paused', g.paused) || coalesce(l.was, '{}')) r
where l.op is distinct from 'ADD'
union all
select r.* from serving.past_change l cross join lateral jsonb_populate_record(null::supervision.clock, l.was || jsonb_build_object('case_id', l.entity_id)) r
where l.entity = 'clock' and l.op <> 'ADD' and not exists (select from supervision.clock g where g.case_id = l.entity_id);
create view past_supervision.position as select g.* from supervision.position g where false;
create view past_supervision.project_item as select g.* from supervision.project_item g where false;
create view past_supervision.waiting as select g.* from supervision.waiting g where false;
create view past."project" as
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
    (select st.stage_name from past_supervision.stage_state st where st.project_code = x.id and st.stage = s.current_stage) as current_stage_name,
    s.finished as finished,
    s.current_items as current_items,
    (select case min(array_position(array['双红', '红', '待数据', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '待数据' when 4 then '黄' when 5 then '蓝' when 6 then '绿' end
    from past_supervision.clock k where k.project_code = x.id and k.light <> '灰') as light,
    (select count(*) from past_supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and not (select (serving.sight_of(current_user)).enterprise)))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store.project x left join past_supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.id = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."case" as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.municipal_no as municipal_no,
    x.department_no as department_no,
    x.prior_case_no as prior_case_no,
    x.receipt_no as receipt_no,
    x.project_code as project_code,
    x.engineering_code as engineering_code,
    x.project_name as project_name,
    x.item_code as item_code,
    x.item_name as item_name,
    x.variant as variant,
    x.applicant_type as applicant_type,
    case when (select (serving.sight_of(current_user)).personal) then x.applicant_name else serving.mask_applicant(x.applicant_name, x.applicant_type, x.applicant_id) end as applicant_name,
    case when (select (serving.sight_of(current_user)).personal) then x.applicant_id else serving.mask_number(x.applicant_id) end as applicant_id,
    case when (select (serving.sight_of(current_user)).personal) then x.contact_name else serving.mask_name(x.contact_name) end as contact_name,
    case when (select (serving.sight_of(current_user)).personal) then x.contact_phone else serving.mask_phone(x.contact_phone) end as contact_phone,
    x.intake_channel as intake_channel,
    x.intake_origin as intake_origin,
    x.town_code as town_code,
    x.department_name as department_name,
    x.department_code as department_code,
    x.submitted_at as submitted_at,
    x.accept_state as accept_state,
    x.accepted_at as accepted_at,
    case when (select (serving.sight_of(current_user)).personal) then x.refuse_reason else serving.mask_text(x.refuse_reason, array[x.contact_name]::text[]) end as refuse_reason,
    x.concluded_at as concluded_at,
    x.result as result,
    x.result_raw as result_raw,
    case when (select (serving.sight_of(current_user)).personal) then x.result_text else serving.mask_text(x.result_text, array[x.contact_name]::text[]) end as result_text,
    x.licence_no as licence_no,
    x.licence_issued_at as licence_issued_at,
    x.limit_days as limit_days,
    x.promise_date as promise_date,
    x.commitment as commitment,
    x.channels as channels,
    x.item_code_written as item_code_written,
    x.project_code_written as project_code_written,
    x.project_link as project_link,
    k.acceptance_on as acceptance_on,
    k.deemed as deemed,
    k.ended_at as ended_at,
    k.end_event as end_event,
    k.used_promised as used_promised,
    k.used_statutory as used_statutory,
    k.promised_limit as promised_limit,
    k.promised_unit as promised_unit,
    k.statutory_limit as statutory_limit,
    k.statutory_unit as statutory_unit,
    k.due_promised as due_promised,
    k.due_statutory as due_statutory,
    k.paused as paused,
    k.suspended as suspended,
    k.provisional as provisional,
    k.light as light,
    k.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."case" x left join past_supervision.clock k on k.case_id = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."case_event" as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.event as event,
    x.at as at,
    x.until as until,
    x.raw_code as raw_code,
    x.series as series,
    x.series_key as series_key,
    x.version as version,
    x.inserted_at as inserted_at,
    x.step_code as step_code,
    x.step_name as step_name,
    x.department_name as department_name,
    x.department_code as department_code,
    case when (select (serving.sight_of(current_user)).personal) then x.handler else serving.mask_name(x.handler) end as handler,
    case when (select (serving.sight_of(current_user)).personal) then x.opinion else serving.mask_text(x.opinion, array[x.handler]::text[]) end as opinion,
    x.origin as origin,
    x.pause_kind as pause_kind,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."case_event" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view past."special_procedure" as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.kind as kind,
    x.name as name,
    case when (select (serving.sight_of(current_user)).personal) then x.reason else serving.mask_text(x.reason, array[x.approver]::text[]) end as reason,
    case when (select (serving.sight_of(current_user)).personal) then x.approver else serving.mask_name(x.approver) end as approver,
    x.started_at as started_at,
    x.ended_at as ended_at,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    case when (select (serving.sight_of(current_user)).personal) then x.result else serving.mask_text(x.result, array[x.approver]::text[]) end as result,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."special_procedure" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view past."material" as
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
    x.reference as reference,
    x.signature as signature,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view past."licence" as
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
    x.title as title,
    x.quotes_land as quotes_land,
    x.quotes_planning as quotes_planning,
    x.quotes_drawing as quotes_drawing,
    x.quotes_tender as quotes_tender,
    x.case_id as case_id,
    x.item_code_written as item_code_written,
    x.project_code_written as project_code_written,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."licence" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."enterprise" as
select
    x.id as id,
    x.uscc as uscc,
    x.name as name,
    case when (select (serving.sight_of(current_user)).personal) then x.legal_person else serving.mask_name(x.legal_person) end as legal_person,
    x.reg_status as reg_status,
    x.reg_date as reg_date,
    x.industry_code as industry_code,
    x.reg_capital as reg_capital,
    x.address as address,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."enterprise" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from past_store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or ep.id = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view past."engineering" as
select
    x.id as id,
    x.engineering_code as engineering_code,
    x.project_code as project_code,
    x.project_name as project_name,
    case when (select (serving.sight_of(current_user)).personal) then x.scope else serving.mask_text(x.scope, '{}'::text[]) end as scope,
    x.prior_code as prior_code,
    x.dialect as dialect,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."engineering" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."item" as
select
    x.id as id,
    x.item_code as item_code,
    x.version as version,
    x.item_name as item_name,
    x.kind as kind,
    x.stage as stage,
    x.department as department,
    x.department_code as department_code,
    x.departments as departments,
    x.catalog_code as catalog_code,
    x.task_code as task_code,
    x.case_channel as case_channel,
    x.statutory_limit as statutory_limit,
    x.statutory_unit as statutory_unit,
    x.promised_limit as promised_limit,
    x.promised_unit as promised_unit,
    x.min_days as min_days,
    x.project_type as project_type,
    x.variant as variant,
    x.variants as variants,
    x.prerequisites as prerequisites,
    x.soft_prerequisites as soft_prerequisites,
    x.parallel_group as parallel_group,
    x.process_types as process_types,
    x.applies_when as applies_when,
    x.multiple as multiple,
    x.materials as materials,
    x.result_document as result_document,
    x.certificate_type_code as certificate_type_code,
    x.aliases as aliases,
    x.valid_from as valid_from,
    x.valid_to as valid_to,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."item" x
where x.gone_at is null;
create view past."national_task" as
select
    x.id as id,
    x.task_guid as task_guid,
    x.catalog_code as catalog_code,
    x.task_code as task_code,
    x.task_name as task_name,
    x.task_type as task_type,
    x.task_version as task_version,
    x.task_state as task_state,
    x.department_code as department_code,
    x.department as department,
    x.statutory_limit as statutory_limit,
    x.statutory_unit as statutory_unit,
    x.promised_limit as promised_limit,
    x.promised_unit as promised_unit,
    x.project_type as project_type,
    x.valid_from as valid_from,
    x.valid_to as valid_to,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."national_task" x
where x.gone_at is null;
create view past."land_approval" as
select
    x.id as id,
    x.approval_no as approval_no,
    x.project_code as project_code,
    x.project_name as project_name,
    x.organ as organ,
    x.approved_at as approved_at,
    x.area as area,
    x.land_user as land_user,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."land_approval" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."redline" as
select
    x.id as id,
    x.redline_code as redline_code,
    x.project_code as project_code,
    x.project_name as project_name,
    x.area as area,
    x.updated_at as updated_at,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."redline" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."parcel" as
select
    x.id as id,
    x.parcel_code as parcel_code,
    case when (select (serving.sight_of(current_user)).personal) then x.right_holder else serving.mask_name(x.right_holder) end as right_holder,
    x.project_code as project_code,
    x.area as area,
    x.updated_at as updated_at,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."parcel" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."change_polygon" as
select
    x.id as id,
    x.polygon_code as polygon_code,
    x.district_code as district_code,
    x.district_name as district_name,
    x.change_type as change_type,
    x.feature as feature,
    x.seen_before as seen_before,
    x.seen_after as seen_after,
    x.area as area,
    x.on_farmland as on_farmland,
    x.on_redline as on_redline,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."change_polygon" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from past_supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (not (select (serving.sight_of(current_user)).enterprise) and exists (select from past_supervision.finding gf where gf.case_no = x.id and gf.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view past."scene" as
select
    x.id as id,
    x.collection as collection,
    x.scene_id as scene_id,
    x.taken_at as taken_at,
    x.taken_from as taken_from,
    x.taken_until as taken_until,
    x.cloud_cover as cloud_cover,
    x.gsd as gsd,
    x.platform as platform,
    x.project_code as project_code,
    x.assets as assets,
    x.updated_at as updated_at,
    x.geom as geom,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."scene" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."site_reading" as
select
    x.id as id,
    x.project_code as project_code,
    x.device as device,
    x.kind as kind,
    x.read_at as read_at,
    x.value as value,
    x.via as via,
    x.provenance as provenance,
    x.changed_at as changed_at
from past_store."site_reading" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."project_stage" as
select
    x.project_code as project_code,
    x.stage as stage,
    x.stage_name as stage_name,
    x.state as state,
    x.completed_at as completed_at,
    x.as_of as judged_on
from past_supervision.stage_state x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."project_item" as
select
    x.project_code as project_code,
    x.item_code as item_code,
    x.item_name as item_name,
    x.stage as stage,
    x.kind as kind,
    x.department as department,
    x.department_code as department_code,
    x.expected as expected,
    x.state as state,
    x.done_at as done_at,
    x.turn as turn,
    x.as_of as judged_on
from past_supervision.project_item x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))));
create view past."finding" as
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
    (x.state in ('open', 'confirmed') and exists (select from past_supervision.waiting w where w.rule = x.rule and w.project_code = x.project_code
            and w.item_code = x.item_code and w.case_no = x.case_no)) as waits
from past_supervision.finding x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]) and not (select (serving.sight_of(current_user)).enterprise)))));
create view past."work_order" as
select
    x.no as no,
    x.finding_id as finding_id,
    x.rule as rule,
    x.project_code as project_code,
    nullif(x.item_code, '') as item_code,
    nullif(x.case_no, '') as case_no,
    x.department_code as department_code,
    x.department_name as department_name,
    x.severity as severity,
    x.state as state,
    x.dispatched_at as dispatched_at,
    x.due_on as due_on,
    x.urged_on as urged_on,
    x.escalated_on as escalated_on,
    x.result as result,
    x.answer as answer,
    x.closed_at as closed_at
from past_supervision.work_order x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]) and not (select (serving.sight_of(current_user)).enterprise)))));
create view past."order_step" as
select
    x.seq as seq,
    x.order_no as order_no,
    x.at as at,
    x.step as step,
    case when (select (serving.sight_of(current_user)).personal) then x.by else serving.mask_name(x.by) end as by,
    x.why as why
from supervision.order_step x join past_supervision.work_order w on w.no = x.order_no
where x.at <= (current_setting('onemap.known_at'))::timestamptz at time zone 'Asia/Shanghai' and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = w.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or w.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (w.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]) and not (select (serving.sight_of(current_user)).enterprise)))));
create view past."change" as
select
    c.seq as seq,
    c.xid as xid,
    c.entity as entity,
    c.entity_id as entity_id,
    c.op as op,
    c.columns as columns,
    c.sources as sources,
    c.at as at,
    case when (c.entity in ('finding', 'work_order', 'project_stage', 'clock') or ((select (serving.sight_of(current_user)).free) and (select (serving.sight_of(current_user)).personal))) then c.before end as before,
    case when c.after is not null then c.after when ((select (serving.sight_of(current_user)).free) and (select (serving.sight_of(current_user)).personal)) then serving.change_after(c.entity, c.entity_id, c.xid, c.seq, c.op, c.columns) end as after
from store.change c
where c.at <= (current_setting('onemap.known_at'))::timestamptz and ((select (serving.sight_of(current_user)).free) or case c.entity when 'project' then exists (select from past_store."project" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.id = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'case' then exists (select from past_store."case" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'case_event' then exists (select from past_store."case_event" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))))) offset 0) when 'special_procedure' then exists (select from past_store."special_procedure" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))))) offset 0) when 'material' then exists (select from past_store."material" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from past_store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))))) offset 0) when 'licence' then exists (select from past_store."licence" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'land_approval' then exists (select from past_store."land_approval" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'engineering' then exists (select from past_store."engineering" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'redline' then exists (select from past_store."redline" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'site_reading' then exists (select from past_store."site_reading" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'parcel' then exists (select from past_store."parcel" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'scene' then exists (select from past_store."scene" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'change_polygon' then exists (select from past_store."change_polygon" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from past_supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (not (select (serving.sight_of(current_user)).enterprise) and exists (select from past_supervision.finding gf where gf.case_no = x.id and gf.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))))) offset 0) when 'enterprise' then exists (select from past_store."enterprise" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from past_store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or ep.id = any ((select (serving.sight_of(current_user)).projects)::text[])))))) offset 0) when 'item' then true when 'national_task' then true when 'finding' then exists (select from past_supervision.finding x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]) and not (select (serving.sight_of(current_user)).enterprise))))) offset 0) when 'work_order' then exists (select from past_supervision.work_order x where x.no = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) and ((select (serving.sight_of(current_user)).projects)::text[] is null or (x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]) and not (select (serving.sight_of(current_user)).enterprise))))) offset 0) when 'project_stage' then exists (select from past_store.project x where x.id = split_part(c.entity_id, ':', 1) and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from past_store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from past_store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from past_supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from past_supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[]))))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.id = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) when 'clock' then exists (select from past_store."case" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from past_store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or x.project_code = any ((select (serving.sight_of(current_user)).projects)::text[])))) offset 0) else false end);
