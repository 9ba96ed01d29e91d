create view onemap.case_event with (security_barrier) as
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
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."case_event" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view asked.case_event as
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
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."case_event" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view onemap.special_procedure with (security_barrier) as
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
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."special_procedure" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
create view asked.special_procedure as
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
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."special_procedure" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
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
    x.reference as reference,
    x.signature as signature,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
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
    x.reference as reference,
    x.signature as signature,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    jsonb_build_object('*', coalesce(x.provenance ->> '*', left(x.id, -strpos(reverse(x.id), '|')))) as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) and ((select (serving.sight_of(current_user)).projects)::text[] is null or oc.project_code = any ((select (serving.sight_of(current_user)).projects)::text[]))))));
