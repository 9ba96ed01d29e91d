-- The views as declared by serving/sql/views.py, frozen.

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
    x.scope as scope,
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
    (select case min(array_position(array['双红', '红', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '黄' when 4 then '蓝' when 5 then '绿' end
    from supervision.clock k where k.project_code = x.id and k.light <> '灰') as light,
    (select count(*) from supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ((select (serving.sight_of(current_user)).free) or (select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.project is '项目 | An investment project, from the first talks to production. 投资项目, 一项目一代码. With its position and the worst light of its running cases.';
comment on column onemap.project.id is '编号 | the row''s id: project_code';
comment on column onemap.project.project_code is '项目代码 | 24 characters, GB/T 40058-2021; old form of 2015–2020 has no check digit';
comment on column onemap.project.project_name is '项目名称 | project name';
comment on column onemap.project.filing_type is '立项类型 | 备案, 核准, 审批 (codes: filing_type)';
comment on column onemap.project.project_type is '项目类型 | free text of the provincial platform';
comment on column onemap.project.process_type is '审批流程类型 SPLCLX | process type (codes: process_type)';
comment on column onemap.project.applicant_name is '项目单位 | applicant name';
comment on column onemap.project.applicant_uscc is '项目单位统一社会信用代码 | GB 32100-2015';
comment on column onemap.project.place is '建设地点 | place';
comment on column onemap.project.scope is '建设规模及内容 | scope';
comment on column onemap.project.filing_organ is '备案机关 | filing organ';
comment on column onemap.project.total_invest is '总投资 | total invest [万元]';
comment on column onemap.project.industry_code is '国标行业 | GB/T 4754-2017 小类, with its letter: C3973';
comment on column onemap.project.planned_start is '拟开工时间 | planned start';
comment on column onemap.project.planned_end is '拟建成时间 | planned end';
comment on column onemap.project.submitted_at is '申报时间 submitDate | submitted at';
comment on column onemap.project.finished_at is '备案办结时间 finishDate | finished at';
comment on column onemap.project.filing_date is '备案日期 filingDate | filing date';
comment on column onemap.project.expires_at is '有效期至 expiryDate | expires at';
comment on column onemap.project.validity is '是否有效 isValidity | 有效, 无效 (codes: validity)';
comment on column onemap.project.filing_state is '备案状态 stateFlagName | filing state (codes: filing_state)';
comment on column onemap.project.town_code is '镇街代码 | 9 digits';
comment on column onemap.project.town_name is '镇街 | town name';
comment on column onemap.project.agent is '代办员 | agent (masked: personal data)';
comment on column onemap.project.fast_track is '拿地即开工/容缺/告知承诺 | fast track';
comment on column onemap.project.conditions is '项目条件 | array of text, values of an item''s applies_when; null = unknown';
comment on column onemap.project.planned_items is '计划办理事项 | array of item_code; null = unknown';
comment on column onemap.project.longitude is '经度 | as the source gives it; the datum is checked against the red line [degree]';
comment on column onemap.project.latitude is '纬度 | latitude [degree]';
comment on column onemap.project.land_area is '用地面积 | land area [m²]';
comment on column onemap.project.floor_area is '建筑面积 | floor area [m²]';
comment on column onemap.project.current_stage is '当前阶段 | stage 1 to 8 that it stands in; null: none begun, or finished';
comment on column onemap.project.current_stage_name is '当前阶段名称 | its name';
comment on column onemap.project.finished is '是否办结 | the milestones of the last stage are done';
comment on column onemap.project.current_items is '当前事项 | [{item_code, item_name, stage, turn, department, department_code, open}]';
comment on column onemap.project.light is '灯 | worst light of its running cases: 双红 红 黄 蓝 绿; null: none runs';
comment on column onemap.project.open_findings is '未消除发现数 | findings open or confirmed, as far as they are shown';
comment on column onemap.project.judged_on is '判定日 | the day that its position stands for';
comment on column onemap.project.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.project.changed_at is '变更时间 | when the content last changed';
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
    x.scope as scope,
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
    (select case min(array_position(array['双红', '红', '黄', '蓝', '绿'], k.light))
        when 1 then '双红' when 2 then '红' when 3 then '黄' when 4 then '蓝' when 5 then '绿' end
    from supervision.clock k where k.project_code = x.id and k.light <> '灰') as light,
    (select count(*) from supervision.finding f where f.project_code = x.id and f.state in ('open', 'confirmed')
                    and ((select (serving.sight_of(current_user)).free) or (select (serving.sight_of(current_user)).departments)::text[] is null or f.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))) as open_findings,
    s.as_of as judged_on,
    x.provenance as provenance,
    x.changed_at as changed_at
from store.project x left join supervision.position s on s.project_code = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.project is '项目 | An investment project, from the first talks to production. 投资项目, 一项目一代码. With its position and the worst light of its running cases.';
comment on column asked.project.id is '编号 | the row''s id: project_code';
comment on column asked.project.project_code is '项目代码 | 24 characters, GB/T 40058-2021; old form of 2015–2020 has no check digit';
comment on column asked.project.project_name is '项目名称 | project name';
comment on column asked.project.filing_type is '立项类型 | 备案, 核准, 审批 (codes: filing_type)';
comment on column asked.project.project_type is '项目类型 | free text of the provincial platform';
comment on column asked.project.process_type is '审批流程类型 SPLCLX | process type (codes: process_type)';
comment on column asked.project.applicant_name is '项目单位 | applicant name';
comment on column asked.project.applicant_uscc is '项目单位统一社会信用代码 | GB 32100-2015';
comment on column asked.project.place is '建设地点 | place';
comment on column asked.project.scope is '建设规模及内容 | scope';
comment on column asked.project.filing_organ is '备案机关 | filing organ';
comment on column asked.project.total_invest is '总投资 | total invest [万元]';
comment on column asked.project.industry_code is '国标行业 | GB/T 4754-2017 小类, with its letter: C3973';
comment on column asked.project.planned_start is '拟开工时间 | planned start';
comment on column asked.project.planned_end is '拟建成时间 | planned end';
comment on column asked.project.submitted_at is '申报时间 submitDate | submitted at';
comment on column asked.project.finished_at is '备案办结时间 finishDate | finished at';
comment on column asked.project.filing_date is '备案日期 filingDate | filing date';
comment on column asked.project.expires_at is '有效期至 expiryDate | expires at';
comment on column asked.project.validity is '是否有效 isValidity | 有效, 无效 (codes: validity)';
comment on column asked.project.filing_state is '备案状态 stateFlagName | filing state (codes: filing_state)';
comment on column asked.project.town_code is '镇街代码 | 9 digits';
comment on column asked.project.town_name is '镇街 | town name';
comment on column asked.project.agent is '代办员 | agent (masked: personal data)';
comment on column asked.project.fast_track is '拿地即开工/容缺/告知承诺 | fast track';
comment on column asked.project.conditions is '项目条件 | array of text, values of an item''s applies_when; null = unknown';
comment on column asked.project.planned_items is '计划办理事项 | array of item_code; null = unknown';
comment on column asked.project.longitude is '经度 | as the source gives it; the datum is checked against the red line [degree]';
comment on column asked.project.latitude is '纬度 | latitude [degree]';
comment on column asked.project.land_area is '用地面积 | land area [m²]';
comment on column asked.project.floor_area is '建筑面积 | floor area [m²]';
comment on column asked.project.current_stage is '当前阶段 | stage 1 to 8 that it stands in; null: none begun, or finished';
comment on column asked.project.current_stage_name is '当前阶段名称 | its name';
comment on column asked.project.finished is '是否办结 | the milestones of the last stage are done';
comment on column asked.project.current_items is '当前事项 | [{item_code, item_name, stage, turn, department, department_code, open}]';
comment on column asked.project.light is '灯 | worst light of its running cases: 双红 红 黄 蓝 绿; null: none runs';
comment on column asked.project.open_findings is '未消除发现数 | findings open or confirmed, as far as they are shown';
comment on column asked.project.judged_on is '判定日 | the day that its position stands for';
comment on column asked.project.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.project.changed_at is '变更时间 | when the content last changed';

create view onemap."case" with (security_barrier) as
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
    case when x.applicant_type = '1' and not (select (serving.sight_of(current_user)).personal) then serving.mask_name(x.applicant_name) else x.applicant_name end as applicant_name,
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
    x.refuse_reason as refuse_reason,
    x.concluded_at as concluded_at,
    x.result as result,
    x.result_raw as result_raw,
    x.result_text as result_text,
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
from store."case" x left join supervision.clock k on k.case_id = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))));
comment on view onemap."case" is '办件 | An approval case, one row whatever the number of systems that know it, with its clock.';
comment on column onemap."case".id is '编号 | the row''s id: case_id';
comment on column onemap."case".channel is '来源系统 | M2, D1, D3, D4, D5, P1, P2, P3: whose number case_no is (codes: channel)';
comment on column onemap."case".case_no is '办件编号 | the channel''s own: M2 SBLSH_SHORT, D1/D4 YWLSH, D3 SPSXSLBM, P3 project_no, D5 申办流水号 else 文号, P1 id, P2 批文号';
comment on column onemap."case".municipal_no is '省统一申办流水号 SBLSH_SHORT | where the record states it as such (M2, D1, D4)';
comment on column onemap."case".department_no is '业务流水号 YWLSH | where the record states it as such (M2 SL, D1, D4)';
comment on column onemap."case".prior_case_no is '原申办流水号 YSBLSH | prior case no';
comment on column onemap."case".receipt_no is '申办流水号 SBLSH | the long number; YSBLSH may quote it';
comment on column onemap."case".project_code is '项目代码 | source: as written; golden: as resolved';
comment on column onemap."case".engineering_code is '工程代码 GCDM | engineering code';
comment on column onemap."case".project_name is '申办项目名称 SBXMMC | project name';
comment on column onemap."case".item_code is '事项编码 | source: SXBM, SPSXBM, task_code … as written; golden: the catalogue''s item_code, null when unknown';
comment on column onemap."case".item_name is '事项名称 | item name';
comment on column onemap."case".variant is '情形 | SXQXBM, YWQX';
comment on column onemap."case".applicant_type is '申请人类型 | applicant type (codes: applicant_type)';
comment on column onemap."case".applicant_name is '申请人名称 | applicant name; masked where the applicant is a person';
comment on column onemap."case".applicant_id is '申请人证件号码 | USCC of an enterprise or organ, or a person''s ID number (masked: personal data)';
comment on column onemap."case".contact_name is '联系人姓名 | contact name (masked: personal data)';
comment on column onemap."case".contact_phone is '联系人手机 | contact phone (masked: personal data)';
comment on column onemap."case".intake_channel is '申办渠道 WSSBQD | intake channel (codes: intake_channel)';
comment on column onemap."case".intake_origin is '数据来源 SJLY | 1 统一受理, 2 部门自建 (codes: intake_origin)';
comment on column onemap."case".town_code is '区划代码 | XZQHDM, GXDXZQHDM: 6 or 9 digits and more';
comment on column onemap."case".department_name is '办理部门 | department name';
comment on column onemap."case".department_code is '办理部门代码 | as written: 18 or 9 characters';
comment on column onemap."case".submitted_at is '接件时间 | SBSJ, apply_date, submitDate';
comment on column onemap."case".accept_state is '受理状态 SLZTDM | accept state (codes: accept_state)';
comment on column onemap."case".accepted_at is '受理时间 | SLSJ (whatever the state), accept_date';
comment on column onemap."case".refuse_reason is '不受理原因 | refuse reason';
comment on column onemap."case".concluded_at is '办结时间 | BJSJ, result_date, finishDate';
comment on column onemap."case".result is '办理结果 | canonical: DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED (codes: result)';
comment on column onemap."case".result_raw is '原结果代码 | BJJGDM, result_type, stateFlagName';
comment on column onemap."case".result_text is '结果描述 | result text';
comment on column onemap."case".licence_no is '证件编号 | ZJBH, result_cetr_no, 文号';
comment on column onemap."case".licence_issued_at is '发证时间 FZSJ | licence issued at';
comment on column onemap."case".limit_days is '办件自带时限 SXBLSX | an issue when it differs from the catalogue; never a limit';
comment on column onemap."case".promise_date is '承诺办结时间 promise_date | promise date';
comment on column onemap."case".commitment is '告知承诺 SXGZCNZSPQK | commitment';
comment on column onemap."case".channels is '全部来源系统 | every channel that knows the case';
comment on column onemap."case".item_code_written is '事项编码（原文） | item code as written';
comment on column onemap."case".project_code_written is '项目代码（原文） | project code as written';
comment on column onemap."case".project_link is '项目关联方式 | written, engineering, crosswalk, identity; null: unlinked';
comment on column onemap."case".acceptance_on is '起算日 | acceptance, or deemed acceptance: the clock''s first day';
comment on column onemap."case".deemed is '视为受理 | deemed accepted: no decision within 5 working days';
comment on column onemap."case".ended_at is '办结时间（时钟） | when the clock stopped; null: running';
comment on column onemap."case".end_event is '办结事件 | what stopped it (codes: event)';
comment on column onemap."case".used_promised is '已用承诺时限 | days used, in promised_unit';
comment on column onemap."case".used_statutory is '已用法定时限 | days used, in statutory_unit';
comment on column onemap."case".promised_limit is '承诺时限 | promised limit in force';
comment on column onemap."case".promised_unit is '承诺时限单位 | its unit (codes: day_unit)';
comment on column onemap."case".statutory_limit is '法定时限 | statutory limit in force';
comment on column onemap."case".statutory_unit is '法定时限单位 | its unit (codes: day_unit)';
comment on column onemap."case".due_promised is '承诺到期日 | last day within the promised limit';
comment on column onemap."case".due_statutory is '法定到期日 | last day within the statutory limit';
comment on column onemap."case".paused is '暂停中 | a pause runs';
comment on column onemap."case".suspended is '到期日顺延 | the due dates stand on a pause without an end';
comment on column onemap."case".provisional is '暂估 | uses a day past the last official notice of holidays';
comment on column onemap."case".light is '灯 | 灰 双红 红 蓝 黄 绿; null: no limit, or not accepted';
comment on column onemap."case".judged_on is '判定日 | the day that clock and light stand for';
comment on column onemap."case".provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap."case".changed_at is '变更时间 | when the content last changed';
create view asked."case" as
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
    case when x.applicant_type = '1' and not (select (serving.sight_of(current_user)).personal) then serving.mask_name(x.applicant_name) else x.applicant_name end as applicant_name,
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
    x.refuse_reason as refuse_reason,
    x.concluded_at as concluded_at,
    x.result as result,
    x.result_raw as result_raw,
    x.result_text as result_text,
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
from store."case" x left join supervision.clock k on k.case_id = x.id
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))));
comment on view asked."case" is '办件 | An approval case, one row whatever the number of systems that know it, with its clock.';
comment on column asked."case".id is '编号 | the row''s id: case_id';
comment on column asked."case".channel is '来源系统 | M2, D1, D3, D4, D5, P1, P2, P3: whose number case_no is (codes: channel)';
comment on column asked."case".case_no is '办件编号 | the channel''s own: M2 SBLSH_SHORT, D1/D4 YWLSH, D3 SPSXSLBM, P3 project_no, D5 申办流水号 else 文号, P1 id, P2 批文号';
comment on column asked."case".municipal_no is '省统一申办流水号 SBLSH_SHORT | where the record states it as such (M2, D1, D4)';
comment on column asked."case".department_no is '业务流水号 YWLSH | where the record states it as such (M2 SL, D1, D4)';
comment on column asked."case".prior_case_no is '原申办流水号 YSBLSH | prior case no';
comment on column asked."case".receipt_no is '申办流水号 SBLSH | the long number; YSBLSH may quote it';
comment on column asked."case".project_code is '项目代码 | source: as written; golden: as resolved';
comment on column asked."case".engineering_code is '工程代码 GCDM | engineering code';
comment on column asked."case".project_name is '申办项目名称 SBXMMC | project name';
comment on column asked."case".item_code is '事项编码 | source: SXBM, SPSXBM, task_code … as written; golden: the catalogue''s item_code, null when unknown';
comment on column asked."case".item_name is '事项名称 | item name';
comment on column asked."case".variant is '情形 | SXQXBM, YWQX';
comment on column asked."case".applicant_type is '申请人类型 | applicant type (codes: applicant_type)';
comment on column asked."case".applicant_name is '申请人名称 | applicant name; masked where the applicant is a person';
comment on column asked."case".applicant_id is '申请人证件号码 | USCC of an enterprise or organ, or a person''s ID number (masked: personal data)';
comment on column asked."case".contact_name is '联系人姓名 | contact name (masked: personal data)';
comment on column asked."case".contact_phone is '联系人手机 | contact phone (masked: personal data)';
comment on column asked."case".intake_channel is '申办渠道 WSSBQD | intake channel (codes: intake_channel)';
comment on column asked."case".intake_origin is '数据来源 SJLY | 1 统一受理, 2 部门自建 (codes: intake_origin)';
comment on column asked."case".town_code is '区划代码 | XZQHDM, GXDXZQHDM: 6 or 9 digits and more';
comment on column asked."case".department_name is '办理部门 | department name';
comment on column asked."case".department_code is '办理部门代码 | as written: 18 or 9 characters';
comment on column asked."case".submitted_at is '接件时间 | SBSJ, apply_date, submitDate';
comment on column asked."case".accept_state is '受理状态 SLZTDM | accept state (codes: accept_state)';
comment on column asked."case".accepted_at is '受理时间 | SLSJ (whatever the state), accept_date';
comment on column asked."case".refuse_reason is '不受理原因 | refuse reason';
comment on column asked."case".concluded_at is '办结时间 | BJSJ, result_date, finishDate';
comment on column asked."case".result is '办理结果 | canonical: DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED (codes: result)';
comment on column asked."case".result_raw is '原结果代码 | BJJGDM, result_type, stateFlagName';
comment on column asked."case".result_text is '结果描述 | result text';
comment on column asked."case".licence_no is '证件编号 | ZJBH, result_cetr_no, 文号';
comment on column asked."case".licence_issued_at is '发证时间 FZSJ | licence issued at';
comment on column asked."case".limit_days is '办件自带时限 SXBLSX | an issue when it differs from the catalogue; never a limit';
comment on column asked."case".promise_date is '承诺办结时间 promise_date | promise date';
comment on column asked."case".commitment is '告知承诺 SXGZCNZSPQK | commitment';
comment on column asked."case".channels is '全部来源系统 | every channel that knows the case';
comment on column asked."case".item_code_written is '事项编码（原文） | item code as written';
comment on column asked."case".project_code_written is '项目代码（原文） | project code as written';
comment on column asked."case".project_link is '项目关联方式 | written, engineering, crosswalk, identity; null: unlinked';
comment on column asked."case".acceptance_on is '起算日 | acceptance, or deemed acceptance: the clock''s first day';
comment on column asked."case".deemed is '视为受理 | deemed accepted: no decision within 5 working days';
comment on column asked."case".ended_at is '办结时间（时钟） | when the clock stopped; null: running';
comment on column asked."case".end_event is '办结事件 | what stopped it (codes: event)';
comment on column asked."case".used_promised is '已用承诺时限 | days used, in promised_unit';
comment on column asked."case".used_statutory is '已用法定时限 | days used, in statutory_unit';
comment on column asked."case".promised_limit is '承诺时限 | promised limit in force';
comment on column asked."case".promised_unit is '承诺时限单位 | its unit (codes: day_unit)';
comment on column asked."case".statutory_limit is '法定时限 | statutory limit in force';
comment on column asked."case".statutory_unit is '法定时限单位 | its unit (codes: day_unit)';
comment on column asked."case".due_promised is '承诺到期日 | last day within the promised limit';
comment on column asked."case".due_statutory is '法定到期日 | last day within the statutory limit';
comment on column asked."case".paused is '暂停中 | a pause runs';
comment on column asked."case".suspended is '到期日顺延 | the due dates stand on a pause without an end';
comment on column asked."case".provisional is '暂估 | uses a day past the last official notice of holidays';
comment on column asked."case".light is '灯 | 灰 双红 红 蓝 黄 绿; null: no limit, or not accepted';
comment on column asked."case".judged_on is '判定日 | the day that clock and light stand for';
comment on column asked."case".provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked."case".changed_at is '变更时间 | when the content last changed';

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
    x.opinion as opinion,
    x.origin as origin,
    x.pause_kind as pause_kind,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."case_event" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.case_event is '办件事件 | What happened to a case and when. Every source row is kept, corrections and repetitions too; supervision reads the timeline out of them (rules.md). A stamp at 00:00:00 is a date only.';
comment on column onemap.case_event.id is '编号 | the row''s id: event_id';
comment on column onemap.case_event.channel is '来源系统 | channel (codes: channel)';
comment on column onemap.case_event.case_no is '办件编号 | as in case';
comment on column onemap.case_event.event is '事件 | SUBMITTED, ACCEPTED, REJECTED_INTAKE, SUPPLEMENT_ASKED, SUPPLEMENT_START, SUPPLEMENT_END, HANDLING, CONSULTED, SPECIAL_START, SPECIAL_END, DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED (codes: event)';
comment on column onemap.case_event.at is '时间 | at';
comment on column onemap.case_event.until is '结束时间 | where the row itself carries an end (P3 process, P3 special procedure)';
comment on column onemap.case_event.raw_code is '原代码 | BLZT, SLZTDM, BJJGDM, SPHJZTDM, event_name';
comment on column onemap.case_event.series is '序列 | SB, SL, SPCL, BZGZ, TBCXSQ, TBCXJG, BJ, LOG, TBCX, SPHJ, CASE, ACCEPT, PROCESS, RESULT, SPECIAL, FILING, APPROVAL, SHEET';
comment on column onemap.case_event.series_key is '序列键 | the source''s key without VERSION: rows of one (channel, series, series_key) correct each other by version';
comment on column onemap.case_event.version is '版本 | version';
comment on column onemap.case_event.inserted_at is '入库时间 | inserted at';
comment on column onemap.case_event.step_code is '环节代码 | step code';
comment on column onemap.case_event.step_name is '环节名称 | step name';
comment on column onemap.case_event.department_name is '办理部门 | department name';
comment on column onemap.case_event.department_code is '办理部门代码 | department code';
comment on column onemap.case_event.handler is '办理人 | handler (masked: personal data)';
comment on column onemap.case_event.opinion is '意见 | opinion';
comment on column onemap.case_event.origin is '数据来源 SJLY | origin (codes: intake_origin)';
comment on column onemap.case_event.pause_kind is '特别程序种类 | A 延长, B 法定情形; of SPECIAL_START (codes: pause_kind)';
comment on column onemap.case_event.limit_days is '特别程序时限 | of SPECIAL_START, in limit_unit; null or 0 = none';
comment on column onemap.case_event.limit_unit is '时限单位 | limit unit (codes: day_unit)';
comment on column onemap.case_event.case_id is '办件 | case.id';
comment on column onemap.case_event.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.case_event.changed_at is '变更时间 | when the content last changed';
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
    x.opinion as opinion,
    x.origin as origin,
    x.pause_kind as pause_kind,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."case_event" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.case_event is '办件事件 | What happened to a case and when. Every source row is kept, corrections and repetitions too; supervision reads the timeline out of them (rules.md). A stamp at 00:00:00 is a date only.';
comment on column asked.case_event.id is '编号 | the row''s id: event_id';
comment on column asked.case_event.channel is '来源系统 | channel (codes: channel)';
comment on column asked.case_event.case_no is '办件编号 | as in case';
comment on column asked.case_event.event is '事件 | SUBMITTED, ACCEPTED, REJECTED_INTAKE, SUPPLEMENT_ASKED, SUPPLEMENT_START, SUPPLEMENT_END, HANDLING, CONSULTED, SPECIAL_START, SPECIAL_END, DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED (codes: event)';
comment on column asked.case_event.at is '时间 | at';
comment on column asked.case_event.until is '结束时间 | where the row itself carries an end (P3 process, P3 special procedure)';
comment on column asked.case_event.raw_code is '原代码 | BLZT, SLZTDM, BJJGDM, SPHJZTDM, event_name';
comment on column asked.case_event.series is '序列 | SB, SL, SPCL, BZGZ, TBCXSQ, TBCXJG, BJ, LOG, TBCX, SPHJ, CASE, ACCEPT, PROCESS, RESULT, SPECIAL, FILING, APPROVAL, SHEET';
comment on column asked.case_event.series_key is '序列键 | the source''s key without VERSION: rows of one (channel, series, series_key) correct each other by version';
comment on column asked.case_event.version is '版本 | version';
comment on column asked.case_event.inserted_at is '入库时间 | inserted at';
comment on column asked.case_event.step_code is '环节代码 | step code';
comment on column asked.case_event.step_name is '环节名称 | step name';
comment on column asked.case_event.department_name is '办理部门 | department name';
comment on column asked.case_event.department_code is '办理部门代码 | department code';
comment on column asked.case_event.handler is '办理人 | handler (masked: personal data)';
comment on column asked.case_event.opinion is '意见 | opinion';
comment on column asked.case_event.origin is '数据来源 SJLY | origin (codes: intake_origin)';
comment on column asked.case_event.pause_kind is '特别程序种类 | A 延长, B 法定情形; of SPECIAL_START (codes: pause_kind)';
comment on column asked.case_event.limit_days is '特别程序时限 | of SPECIAL_START, in limit_unit; null or 0 = none';
comment on column asked.case_event.limit_unit is '时限单位 | limit unit (codes: day_unit)';
comment on column asked.case_event.case_id is '办件 | case.id';
comment on column asked.case_event.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.case_event.changed_at is '变更时间 | when the content last changed';

create view onemap.special_procedure with (security_barrier) as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.kind as kind,
    x.name as name,
    x.reason as reason,
    case when (select (serving.sight_of(current_user)).personal) then x.approver else serving.mask_name(x.approver) end as approver,
    x.started_at as started_at,
    x.ended_at as ended_at,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    x.result as result,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."special_procedure" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.special_procedure is '特别程序 | A special procedure of a case, one row a start; its start also stands in case_event.';
comment on column onemap.special_procedure.id is '编号 | the row''s id: special_id';
comment on column onemap.special_procedure.channel is '来源系统 | channel (codes: channel)';
comment on column onemap.special_procedure.case_no is '办件编号 | case no';
comment on column onemap.special_procedure.kind is '种类 | kind (codes: pause_kind)';
comment on column onemap.special_procedure.name is '名称 | name';
comment on column onemap.special_procedure.reason is '启动理由 | reason';
comment on column onemap.special_procedure.approver is '批准人 | approver (masked: personal data)';
comment on column onemap.special_procedure.started_at is '开始时间 | started at';
comment on column onemap.special_procedure.ended_at is '结束时间 | where the row itself carries it (P3)';
comment on column onemap.special_procedure.limit_days is '时限 | limit days';
comment on column onemap.special_procedure.limit_unit is '时限单位 | limit unit (codes: day_unit)';
comment on column onemap.special_procedure.result is '结果 | result';
comment on column onemap.special_procedure.version is '版本 | version';
comment on column onemap.special_procedure.inserted_at is '入库时间 | inserted at';
comment on column onemap.special_procedure.case_id is '办件 | case.id';
comment on column onemap.special_procedure.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.special_procedure.changed_at is '变更时间 | when the content last changed';
create view asked.special_procedure as
select
    x.id as id,
    x.channel as channel,
    x.case_no as case_no,
    x.kind as kind,
    x.name as name,
    x.reason as reason,
    case when (select (serving.sight_of(current_user)).personal) then x.approver else serving.mask_name(x.approver) end as approver,
    x.started_at as started_at,
    x.ended_at as ended_at,
    x.limit_days as limit_days,
    x.limit_unit as limit_unit,
    x.result as result,
    x.version as version,
    x.inserted_at as inserted_at,
    x.case_id as case_id,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."special_procedure" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.special_procedure is '特别程序 | A special procedure of a case, one row a start; its start also stands in case_event.';
comment on column asked.special_procedure.id is '编号 | the row''s id: special_id';
comment on column asked.special_procedure.channel is '来源系统 | channel (codes: channel)';
comment on column asked.special_procedure.case_no is '办件编号 | case no';
comment on column asked.special_procedure.kind is '种类 | kind (codes: pause_kind)';
comment on column asked.special_procedure.name is '名称 | name';
comment on column asked.special_procedure.reason is '启动理由 | reason';
comment on column asked.special_procedure.approver is '批准人 | approver (masked: personal data)';
comment on column asked.special_procedure.started_at is '开始时间 | started at';
comment on column asked.special_procedure.ended_at is '结束时间 | where the row itself carries it (P3)';
comment on column asked.special_procedure.limit_days is '时限 | limit days';
comment on column asked.special_procedure.limit_unit is '时限单位 | limit unit (codes: day_unit)';
comment on column asked.special_procedure.result is '结果 | result';
comment on column asked.special_procedure.version is '版本 | version';
comment on column asked.special_procedure.inserted_at is '入库时间 | inserted at';
comment on column asked.special_procedure.case_id is '办件 | case.id';
comment on column asked.special_procedure.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.special_procedure.changed_at is '变更时间 | when the content last changed';

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
    x.provenance as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.material is '材料 | A document handed in with a case, or its result''s attachment. Metadata only.';
comment on column onemap.material.id is '编号 | the row''s id: material_id';
comment on column onemap.material.channel is '来源系统 | channel (codes: channel)';
comment on column onemap.material.case_no is '办件编号 | case no';
comment on column onemap.material.seq is '序号 | seq';
comment on column onemap.material.role is '用途 | application 申办材料, result 审批结果, attachment 附件';
comment on column onemap.material.name is '名称 | name';
comment on column onemap.material.medium is '介质 | medium (codes: material_medium)';
comment on column onemap.material.form is '材料类型 | form (codes: material_form)';
comment on column onemap.material.file_type is '文件类型 | file type';
comment on column onemap.material.reference is '附件标识 | the source''s id or path; never fetched by itself';
comment on column onemap.material.signature is '附件签名 | signature';
comment on column onemap.material.version is '版本 | version';
comment on column onemap.material.inserted_at is '入库时间 | inserted at';
comment on column onemap.material.case_id is '办件 | case.id';
comment on column onemap.material.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.material.changed_at is '变更时间 | when the content last changed';
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
    x.provenance as provenance,
    x.changed_at as changed_at
from store."material" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.material is '材料 | A document handed in with a case, or its result''s attachment. Metadata only.';
comment on column asked.material.id is '编号 | the row''s id: material_id';
comment on column asked.material.channel is '来源系统 | channel (codes: channel)';
comment on column asked.material.case_no is '办件编号 | case no';
comment on column asked.material.seq is '序号 | seq';
comment on column asked.material.role is '用途 | application 申办材料, result 审批结果, attachment 附件';
comment on column asked.material.name is '名称 | name';
comment on column asked.material.medium is '介质 | medium (codes: material_medium)';
comment on column asked.material.form is '材料类型 | form (codes: material_form)';
comment on column asked.material.file_type is '文件类型 | file type';
comment on column asked.material.reference is '附件标识 | the source''s id or path; never fetched by itself';
comment on column asked.material.signature is '附件签名 | signature';
comment on column asked.material.version is '版本 | version';
comment on column asked.material.inserted_at is '入库时间 | inserted at';
comment on column asked.material.case_id is '办件 | case.id';
comment on column asked.material.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.material.changed_at is '变更时间 | when the content last changed';

create view onemap.licence with (security_barrier) as
select
    x.id as id,
    x.channel as channel,
    x.kind as kind,
    x.certificate_id as certificate_id,
    x.type_code as type_code,
    x.type_name as type_name,
    x.number as number,
    x.holder_name as holder_name,
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
from store."licence" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))));
comment on view onemap.licence is '证照 | A licence or approval document, from a directory (P1, P3) or a department''s own table (D3).';
comment on column onemap.licence.id is '编号 | the row''s id: licence_id';
comment on column onemap.licence.channel is '来源系统 | channel (codes: channel)';
comment on column onemap.licence.kind is '类别 | licence 电子证照, approval 批复文件 (SPGL_XMSPSXPFWJXXB), permit 施工许可 (SPGL_JZGCSGXKXXB)';
comment on column onemap.licence.certificate_id is '电子证照标识 | GB/T 36904-2018';
comment on column onemap.licence.type_code is '证照类型代码 | an alias of the item';
comment on column onemap.licence.type_name is '证照类型名称 | type name';
comment on column onemap.licence.number is '证照编号 | certificate_number, PFWH, SGXKZBH; as written';
comment on column onemap.licence.holder_name is '持证主体 | holder name';
comment on column onemap.licence.holder_code is '持证主体代码 | holder code (masked: personal data)';
comment on column onemap.licence.organ_name is '颁发机构 | organ name';
comment on column onemap.licence.organ_code is '颁发机构代码 | organ code';
comment on column onemap.licence.issued_at is '颁发日期 | issue_date, PFRQ, FZRQ';
comment on column onemap.licence.valid_from is '有效期起 | valid from';
comment on column onemap.licence.valid_to is '有效期止 | null = no end';
comment on column onemap.licence.state is '状态 | state (codes: licence_state)';
comment on column onemap.licence.project_code is '项目代码 | source: as written; golden: as resolved';
comment on column onemap.licence.engineering_code is '工程代码 GCDM | engineering code';
comment on column onemap.licence.case_no is '办件编号 | SPSXSLBM, where the row has it';
comment on column onemap.licence.item_code is '事项编码 | golden: resolved by type_code, or by the case';
comment on column onemap.licence.title is '标题 PFWJBT | title';
comment on column onemap.licence.quotes_land is '所引用地规划许可证编号 YDGHXKZBH | quotes land';
comment on column onemap.licence.quotes_planning is '所引工程规划许可证编号 GCGHXKZBH | quotes planning';
comment on column onemap.licence.quotes_drawing is '所引施工图审查合格书编号 SCHGSBH | quotes drawing';
comment on column onemap.licence.quotes_tender is '所引中标通知书编号 ZBTZSBH | quotes tender';
comment on column onemap.licence.case_id is '办件 | case.id';
comment on column onemap.licence.item_code_written is '事项编码（原文） | item code as written';
comment on column onemap.licence.project_code_written is '项目代码（原文） | project code as written';
comment on column onemap.licence.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.licence.changed_at is '变更时间 | when the content last changed';
create view asked.licence as
select
    x.id as id,
    x.channel as channel,
    x.kind as kind,
    x.certificate_id as certificate_id,
    x.type_code as type_code,
    x.type_name as type_name,
    x.number as number,
    x.holder_name as holder_name,
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
from store."licence" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))));
comment on view asked.licence is '证照 | A licence or approval document, from a directory (P1, P3) or a department''s own table (D3).';
comment on column asked.licence.id is '编号 | the row''s id: licence_id';
comment on column asked.licence.channel is '来源系统 | channel (codes: channel)';
comment on column asked.licence.kind is '类别 | licence 电子证照, approval 批复文件 (SPGL_XMSPSXPFWJXXB), permit 施工许可 (SPGL_JZGCSGXKXXB)';
comment on column asked.licence.certificate_id is '电子证照标识 | GB/T 36904-2018';
comment on column asked.licence.type_code is '证照类型代码 | an alias of the item';
comment on column asked.licence.type_name is '证照类型名称 | type name';
comment on column asked.licence.number is '证照编号 | certificate_number, PFWH, SGXKZBH; as written';
comment on column asked.licence.holder_name is '持证主体 | holder name';
comment on column asked.licence.holder_code is '持证主体代码 | holder code (masked: personal data)';
comment on column asked.licence.organ_name is '颁发机构 | organ name';
comment on column asked.licence.organ_code is '颁发机构代码 | organ code';
comment on column asked.licence.issued_at is '颁发日期 | issue_date, PFRQ, FZRQ';
comment on column asked.licence.valid_from is '有效期起 | valid from';
comment on column asked.licence.valid_to is '有效期止 | null = no end';
comment on column asked.licence.state is '状态 | state (codes: licence_state)';
comment on column asked.licence.project_code is '项目代码 | source: as written; golden: as resolved';
comment on column asked.licence.engineering_code is '工程代码 GCDM | engineering code';
comment on column asked.licence.case_no is '办件编号 | SPSXSLBM, where the row has it';
comment on column asked.licence.item_code is '事项编码 | golden: resolved by type_code, or by the case';
comment on column asked.licence.title is '标题 PFWJBT | title';
comment on column asked.licence.quotes_land is '所引用地规划许可证编号 YDGHXKZBH | quotes land';
comment on column asked.licence.quotes_planning is '所引工程规划许可证编号 GCGHXKZBH | quotes planning';
comment on column asked.licence.quotes_drawing is '所引施工图审查合格书编号 SCHGSBH | quotes drawing';
comment on column asked.licence.quotes_tender is '所引中标通知书编号 ZBTZSBH | quotes tender';
comment on column asked.licence.case_id is '办件 | case.id';
comment on column asked.licence.item_code_written is '事项编码（原文） | item code as written';
comment on column asked.licence.project_code_written is '项目代码（原文） | project code as written';
comment on column asked.licence.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.licence.changed_at is '变更时间 | when the content last changed';

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
    x.address as address,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."enterprise" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))));
comment on view onemap.enterprise is '企业 | A legal person of the provincial register (法人库).';
comment on column onemap.enterprise.id is '编号 | the row''s id: uscc';
comment on column onemap.enterprise.uscc is '统一社会信用代码 | GB 32100-2015';
comment on column onemap.enterprise.name is '名称 | name';
comment on column onemap.enterprise.legal_person is '法定代表人 | legal person (masked: personal data)';
comment on column onemap.enterprise.reg_status is '登记状态 | reg status (codes: reg_status)';
comment on column onemap.enterprise.reg_date is '成立日期 | reg date';
comment on column onemap.enterprise.industry_code is '国标行业 | industry code';
comment on column onemap.enterprise.reg_capital is '注册资本 | reg capital [万元]';
comment on column onemap.enterprise.address is '住所 | address';
comment on column onemap.enterprise.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.enterprise.changed_at is '变更时间 | when the content last changed';
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
    x.address as address,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."enterprise" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))));
comment on view asked.enterprise is '企业 | A legal person of the provincial register (法人库).';
comment on column asked.enterprise.id is '编号 | the row''s id: uscc';
comment on column asked.enterprise.uscc is '统一社会信用代码 | GB 32100-2015';
comment on column asked.enterprise.name is '名称 | name';
comment on column asked.enterprise.legal_person is '法定代表人 | legal person (masked: personal data)';
comment on column asked.enterprise.reg_status is '登记状态 | reg status (codes: reg_status)';
comment on column asked.enterprise.reg_date is '成立日期 | reg date';
comment on column asked.enterprise.industry_code is '国标行业 | industry code';
comment on column asked.enterprise.reg_capital is '注册资本 | reg capital [万元]';
comment on column asked.enterprise.address is '住所 | address';
comment on column asked.enterprise.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.enterprise.changed_at is '变更时间 | when the content last changed';

create view onemap.engineering with (security_barrier) as
select
    x.id as id,
    x.engineering_code as engineering_code,
    x.project_code as project_code,
    x.project_name as project_name,
    x.scope as scope,
    x.prior_code as prior_code,
    x.dialect as dialect,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."engineering" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.engineering is '工程 | A construction work (工程) of a project; D3''s rows join by its code. A project has one or more.';
comment on column onemap.engineering.id is '编号 | the row''s id: engineering_code';
comment on column onemap.engineering.engineering_code is '工程代码 GCDM | engineering code';
comment on column onemap.engineering.project_code is '项目代码 XMDM | project code';
comment on column onemap.engineering.project_name is '项目名称 | project name';
comment on column onemap.engineering.scope is '工程范围 GCFW | scope';
comment on column onemap.engineering.prior_code is '前阶段关联工程代码 QJDGCDM | prior code';
comment on column onemap.engineering.dialect is '数据标准版本 | 2.0 or 3.0';
comment on column onemap.engineering.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.engineering.changed_at is '变更时间 | when the content last changed';
create view asked.engineering as
select
    x.id as id,
    x.engineering_code as engineering_code,
    x.project_code as project_code,
    x.project_name as project_name,
    x.scope as scope,
    x.prior_code as prior_code,
    x.dialect as dialect,
    x.provenance as provenance,
    x.changed_at as changed_at
from store."engineering" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.engineering is '工程 | A construction work (工程) of a project; D3''s rows join by its code. A project has one or more.';
comment on column asked.engineering.id is '编号 | the row''s id: engineering_code';
comment on column asked.engineering.engineering_code is '工程代码 GCDM | engineering code';
comment on column asked.engineering.project_code is '项目代码 XMDM | project code';
comment on column asked.engineering.project_name is '项目名称 | project name';
comment on column asked.engineering.scope is '工程范围 GCFW | scope';
comment on column asked.engineering.prior_code is '前阶段关联工程代码 QJDGCDM | prior code';
comment on column asked.engineering.dialect is '数据标准版本 | 2.0 or 3.0';
comment on column asked.engineering.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.engineering.changed_at is '变更时间 | when the content last changed';

create view onemap.item with (security_barrier) as
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
from store."item" x
where x.gone_at is null;
comment on view onemap.item is '事项 | A version of an item of the catalogue (事项清单); never deleted, it gets an end date.';
comment on column onemap.item.id is '编号 | the row''s id: item_code, version';
comment on column onemap.item.item_code is '事项编码 | item code';
comment on column onemap.item.version is '版本 | version';
comment on column onemap.item.item_name is '事项名称 | item name';
comment on column onemap.item.kind is '事项性质 | 政务服务事项, 政府内部事项 (codes: item_kind)';
comment on column onemap.item.stage is '阶段 | stage';
comment on column onemap.item.department is '牵头部门 | department';
comment on column onemap.item.department_code is '牵头部门代码 | 统一社会信用代码';
comment on column onemap.item.departments is '全部参与部门 | the lead first, separated by /';
comment on column onemap.item.catalog_code is '基本编码 | catalog code';
comment on column onemap.item.task_code is '实施编码 | task code';
comment on column onemap.item.case_channel is '办件所在 | case channel (codes: case_channel)';
comment on column onemap.item.statutory_limit is '法定时限 | in statutory_unit; null = none';
comment on column onemap.item.statutory_unit is '法定时限单位 | statutory unit (codes: day_unit)';
comment on column onemap.item.promised_limit is '承诺时限 | in promised_unit; 0 = the same day';
comment on column onemap.item.promised_unit is '承诺时限单位 | promised unit (codes: day_unit)';
comment on column onemap.item.min_days is '公示公告下限 | min days [自然日]';
comment on column onemap.item.project_type is '办件类型 | project type (codes: task_project_type)';
comment on column onemap.item.variant is '本行时限所属情形 | variant';
comment on column onemap.item.variants is '其他情形的时限 | array of {variant, project_type, statutory_limit, statutory_unit, promised_limit, promised_unit}';
comment on column onemap.item.prerequisites is '前置事项 | array of item_code';
comment on column onemap.item.soft_prerequisites is '可后补的前置 | array of item_code';
comment on column onemap.item.parallel_group is '并联组 | parallel group';
comment on column onemap.item.process_types is '适用的审批流程类型 | array of SPLCLX; empty = all';
comment on column onemap.item.applies_when is '适用条件 | alternatives by |; null = always';
comment on column onemap.item.multiple is '一项目可有多件 | multiple';
comment on column onemap.item.materials is '申请材料 | array of {code, name, required, medium}';
comment on column onemap.item.result_document is '结果文书 | result document';
comment on column onemap.item.certificate_type_code is '结果的证照类型代码 | certificate type code';
comment on column onemap.item.aliases is '别名编码 | array of text: SXBM, SPSXBM, task_code, certificate_type_code, former codes';
comment on column onemap.item.valid_from is '生效日 | valid from';
comment on column onemap.item.valid_to is '失效日 | last day in force is the day before; null = none';
comment on column onemap.item.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.item.changed_at is '变更时间 | when the content last changed';
create view asked.item as
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
from store."item" x
where x.gone_at is null;
comment on view asked.item is '事项 | A version of an item of the catalogue (事项清单); never deleted, it gets an end date.';
comment on column asked.item.id is '编号 | the row''s id: item_code, version';
comment on column asked.item.item_code is '事项编码 | item code';
comment on column asked.item.version is '版本 | version';
comment on column asked.item.item_name is '事项名称 | item name';
comment on column asked.item.kind is '事项性质 | 政务服务事项, 政府内部事项 (codes: item_kind)';
comment on column asked.item.stage is '阶段 | stage';
comment on column asked.item.department is '牵头部门 | department';
comment on column asked.item.department_code is '牵头部门代码 | 统一社会信用代码';
comment on column asked.item.departments is '全部参与部门 | the lead first, separated by /';
comment on column asked.item.catalog_code is '基本编码 | catalog code';
comment on column asked.item.task_code is '实施编码 | task code';
comment on column asked.item.case_channel is '办件所在 | case channel (codes: case_channel)';
comment on column asked.item.statutory_limit is '法定时限 | in statutory_unit; null = none';
comment on column asked.item.statutory_unit is '法定时限单位 | statutory unit (codes: day_unit)';
comment on column asked.item.promised_limit is '承诺时限 | in promised_unit; 0 = the same day';
comment on column asked.item.promised_unit is '承诺时限单位 | promised unit (codes: day_unit)';
comment on column asked.item.min_days is '公示公告下限 | min days [自然日]';
comment on column asked.item.project_type is '办件类型 | project type (codes: task_project_type)';
comment on column asked.item.variant is '本行时限所属情形 | variant';
comment on column asked.item.variants is '其他情形的时限 | array of {variant, project_type, statutory_limit, statutory_unit, promised_limit, promised_unit}';
comment on column asked.item.prerequisites is '前置事项 | array of item_code';
comment on column asked.item.soft_prerequisites is '可后补的前置 | array of item_code';
comment on column asked.item.parallel_group is '并联组 | parallel group';
comment on column asked.item.process_types is '适用的审批流程类型 | array of SPLCLX; empty = all';
comment on column asked.item.applies_when is '适用条件 | alternatives by |; null = always';
comment on column asked.item.multiple is '一项目可有多件 | multiple';
comment on column asked.item.materials is '申请材料 | array of {code, name, required, medium}';
comment on column asked.item.result_document is '结果文书 | result document';
comment on column asked.item.certificate_type_code is '结果的证照类型代码 | certificate type code';
comment on column asked.item.aliases is '别名编码 | array of text: SXBM, SPSXBM, task_code, certificate_type_code, former codes';
comment on column asked.item.valid_from is '生效日 | valid from';
comment on column asked.item.valid_to is '失效日 | last day in force is the day before; null = none';
comment on column asked.item.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.item.changed_at is '变更时间 | when the content last changed';

create view onemap.national_task with (security_barrier) as
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
from store."national_task" x
where x.gone_at is null;
comment on view onemap.national_task is '国家事项实施清单 | up_task_general_basic of the national front-end database; compared with the catalogue, never its source.';
comment on column onemap.national_task.id is '编号 | the row''s id: task_guid';
comment on column onemap.national_task.task_guid is '行标识 | task guid';
comment on column onemap.national_task.catalog_code is '基本编码 | catalog code';
comment on column onemap.national_task.task_code is '实施编码 | task code';
comment on column onemap.national_task.task_name is '事项名称 | task name';
comment on column onemap.national_task.task_type is '事项类型 | task type (codes: task_type)';
comment on column onemap.national_task.task_version is '事项版本 | task version';
comment on column onemap.national_task.task_state is '事项状态 | task state';
comment on column onemap.national_task.department_code is '实施主体编码 | department code';
comment on column onemap.national_task.department is '实施主体名称 | department';
comment on column onemap.national_task.statutory_limit is '法定办结时限 | statutory limit';
comment on column onemap.national_task.statutory_unit is '法定时限单位 | statutory unit (codes: day_unit)';
comment on column onemap.national_task.promised_limit is '承诺办结时限 | promised limit';
comment on column onemap.national_task.promised_unit is '承诺时限单位 | promised unit (codes: day_unit)';
comment on column onemap.national_task.project_type is '办件类型 | project type (codes: task_project_type)';
comment on column onemap.national_task.valid_from is '计划生效日期 | valid from';
comment on column onemap.national_task.valid_to is '计划取消日期 | valid to';
comment on column onemap.national_task.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.national_task.changed_at is '变更时间 | when the content last changed';
create view asked.national_task as
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
from store."national_task" x
where x.gone_at is null;
comment on view asked.national_task is '国家事项实施清单 | up_task_general_basic of the national front-end database; compared with the catalogue, never its source.';
comment on column asked.national_task.id is '编号 | the row''s id: task_guid';
comment on column asked.national_task.task_guid is '行标识 | task guid';
comment on column asked.national_task.catalog_code is '基本编码 | catalog code';
comment on column asked.national_task.task_code is '实施编码 | task code';
comment on column asked.national_task.task_name is '事项名称 | task name';
comment on column asked.national_task.task_type is '事项类型 | task type (codes: task_type)';
comment on column asked.national_task.task_version is '事项版本 | task version';
comment on column asked.national_task.task_state is '事项状态 | task state';
comment on column asked.national_task.department_code is '实施主体编码 | department code';
comment on column asked.national_task.department is '实施主体名称 | department';
comment on column asked.national_task.statutory_limit is '法定办结时限 | statutory limit';
comment on column asked.national_task.statutory_unit is '法定时限单位 | statutory unit (codes: day_unit)';
comment on column asked.national_task.promised_limit is '承诺办结时限 | promised limit';
comment on column asked.national_task.promised_unit is '承诺时限单位 | promised unit (codes: day_unit)';
comment on column asked.national_task.project_type is '办件类型 | project type (codes: task_project_type)';
comment on column asked.national_task.valid_from is '计划生效日期 | valid from';
comment on column asked.national_task.valid_to is '计划取消日期 | valid to';
comment on column asked.national_task.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.national_task.changed_at is '变更时间 | when the content last changed';

create view onemap.land_approval with (security_barrier) as
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
from store."land_approval" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.land_approval is '用地批复 | An approval document for land (P2), one row a (document, project).';
comment on column onemap.land_approval.id is '编号 | the row''s id: approval_no, project_code';
comment on column onemap.land_approval.approval_no is '批文号 | full-width brackets made half-width';
comment on column onemap.land_approval.project_code is '项目代码 | may be empty for 批次用地: then by overlap with the red line';
comment on column onemap.land_approval.project_name is '项目名称 | project name';
comment on column onemap.land_approval.organ is '批准机关 | organ';
comment on column onemap.land_approval.approved_at is '批准日期 | approved at';
comment on column onemap.land_approval.area is '批准面积 | the file gives 公顷 [m²]';
comment on column onemap.land_approval.land_user is '用地单位 | land user';
comment on column onemap.land_approval.geom is '红线 | WKB, EPSG:4490, longitude first';
comment on column onemap.land_approval.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.land_approval.changed_at is '变更时间 | when the content last changed';
create view asked.land_approval as
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
from store."land_approval" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.land_approval is '用地批复 | An approval document for land (P2), one row a (document, project).';
comment on column asked.land_approval.id is '编号 | the row''s id: approval_no, project_code';
comment on column asked.land_approval.approval_no is '批文号 | full-width brackets made half-width';
comment on column asked.land_approval.project_code is '项目代码 | may be empty for 批次用地: then by overlap with the red line';
comment on column asked.land_approval.project_name is '项目名称 | project name';
comment on column asked.land_approval.organ is '批准机关 | organ';
comment on column asked.land_approval.approved_at is '批准日期 | approved at';
comment on column asked.land_approval.area is '批准面积 | the file gives 公顷 [m²]';
comment on column asked.land_approval.land_user is '用地单位 | land user';
comment on column asked.land_approval.geom is '红线 | WKB, EPSG:4490, longitude first';
comment on column asked.land_approval.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.land_approval.changed_at is '变更时间 | when the content last changed';

create view onemap.redline with (security_barrier) as
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
from store."redline" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.redline is '用地红线 | The boundary that a project may build in, from the land department (S1).';
comment on column onemap.redline.id is '编号 | the row''s id: redline_code';
comment on column onemap.redline.redline_code is '红线编号 HXBH | redline code';
comment on column onemap.redline.project_code is '项目代码 | project code';
comment on column onemap.redline.project_name is '项目名称 | project name';
comment on column onemap.redline.area is '面积 MJ | area [m²]';
comment on column onemap.redline.updated_at is '更新时间 | updated at';
comment on column onemap.redline.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column onemap.redline.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.redline.changed_at is '变更时间 | when the content last changed';
create view asked.redline as
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
from store."redline" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.redline is '用地红线 | The boundary that a project may build in, from the land department (S1).';
comment on column asked.redline.id is '编号 | the row''s id: redline_code';
comment on column asked.redline.redline_code is '红线编号 HXBH | redline code';
comment on column asked.redline.project_code is '项目代码 | project code';
comment on column asked.redline.project_name is '项目名称 | project name';
comment on column asked.redline.area is '面积 MJ | area [m²]';
comment on column asked.redline.updated_at is '更新时间 | updated at';
comment on column asked.redline.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column asked.redline.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.redline.changed_at is '变更时间 | when the content last changed';

create view onemap.parcel with (security_barrier) as
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
from store."parcel" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.parcel is '宗地 | A cadastral parcel (S1).';
comment on column onemap.parcel.id is '编号 | the row''s id: parcel_code';
comment on column onemap.parcel.parcel_code is '宗地代码 ZDDM | GB/T 37346-2019, 19 characters';
comment on column onemap.parcel.right_holder is '权利人 QLR | right holder (masked: personal data)';
comment on column onemap.parcel.project_code is '项目代码 | project code';
comment on column onemap.parcel.area is '面积 MJ | area [m²]';
comment on column onemap.parcel.updated_at is '更新时间 | updated at';
comment on column onemap.parcel.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column onemap.parcel.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.parcel.changed_at is '变更时间 | when the content last changed';
create view asked.parcel as
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
from store."parcel" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.parcel is '宗地 | A cadastral parcel (S1).';
comment on column asked.parcel.id is '编号 | the row''s id: parcel_code';
comment on column asked.parcel.parcel_code is '宗地代码 ZDDM | GB/T 37346-2019, 19 characters';
comment on column asked.parcel.right_holder is '权利人 QLR | right holder (masked: personal data)';
comment on column asked.parcel.project_code is '项目代码 | project code';
comment on column asked.parcel.area is '面积 MJ | area [m²]';
comment on column asked.parcel.updated_at is '更新时间 | updated at';
comment on column asked.parcel.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column asked.parcel.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.parcel.changed_at is '变更时间 | when the content last changed';

create view onemap.change_polygon with (security_barrier) as
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
from store."change_polygon" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])))));
comment on view onemap.change_polygon is '变化图斑 | A change seen between two images (S2).';
comment on column onemap.change_polygon.id is '编号 | the row''s id: polygon_code';
comment on column onemap.change_polygon.polygon_code is '监测图斑编号 JCBH | polygon code';
comment on column onemap.change_polygon.district_code is '行政区代码 XZQDM | district code';
comment on column onemap.change_polygon.district_name is '县名 XMC | district name';
comment on column onemap.change_polygon.change_type is '图斑类型 TBLX | change type (codes: change_type)';
comment on column onemap.change_polygon.feature is '图斑特征 TZ | feature';
comment on column onemap.change_polygon.seen_before is '前时相 QSX | yyyyMM: the last day of the month';
comment on column onemap.change_polygon.seen_after is '后时相 HSX | yyyyMM: the last day of the month';
comment on column onemap.change_polygon.area is '面积 MJ | area [m²]';
comment on column onemap.change_polygon.on_farmland is '是否永农 SFYN | on farmland';
comment on column onemap.change_polygon.on_redline is '是否红线 SFHX | on redline';
comment on column onemap.change_polygon.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column onemap.change_polygon.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.change_polygon.changed_at is '变更时间 | when the content last changed';
create view asked.change_polygon as
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
from store."change_polygon" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])))));
comment on view asked.change_polygon is '变化图斑 | A change seen between two images (S2).';
comment on column asked.change_polygon.id is '编号 | the row''s id: polygon_code';
comment on column asked.change_polygon.polygon_code is '监测图斑编号 JCBH | polygon code';
comment on column asked.change_polygon.district_code is '行政区代码 XZQDM | district code';
comment on column asked.change_polygon.district_name is '县名 XMC | district name';
comment on column asked.change_polygon.change_type is '图斑类型 TBLX | change type (codes: change_type)';
comment on column asked.change_polygon.feature is '图斑特征 TZ | feature';
comment on column asked.change_polygon.seen_before is '前时相 QSX | yyyyMM: the last day of the month';
comment on column asked.change_polygon.seen_after is '后时相 HSX | yyyyMM: the last day of the month';
comment on column asked.change_polygon.area is '面积 MJ | area [m²]';
comment on column asked.change_polygon.on_farmland is '是否永农 SFYN | on farmland';
comment on column asked.change_polygon.on_redline is '是否红线 SFHX | on redline';
comment on column asked.change_polygon.geom is '范围 | WKB MultiPolygon, EPSG:4490, longitude first';
comment on column asked.change_polygon.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.change_polygon.changed_at is '变更时间 | when the content last changed';

create view onemap.scene with (security_barrier) as
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
from store."scene" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.scene is '影像 | Metadata of an image (S3, STAC 1.0).';
comment on column onemap.scene.id is '编号 | the row''s id: collection, scene_id';
comment on column onemap.scene.collection is '影像集 | satellite, uav';
comment on column onemap.scene.scene_id is '影像编号 | scene id';
comment on column onemap.scene.taken_at is '拍摄时间 | local time';
comment on column onemap.scene.taken_from is '拍摄开始 | taken from';
comment on column onemap.scene.taken_until is '拍摄结束 | taken until';
comment on column onemap.scene.cloud_cover is '云量 | cloud cover [%]';
comment on column onemap.scene.gsd is '地面分辨率 | gsd [m]';
comment on column onemap.scene.platform is '平台 | platform';
comment on column onemap.scene.project_code is '项目代码 | project code';
comment on column onemap.scene.assets is '资源 | {name: href without its query}';
comment on column onemap.scene.updated_at is '更新时间 | updated at';
comment on column onemap.scene.geom is '覆盖范围 | WKB, EPSG:4490, longitude first';
comment on column onemap.scene.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.scene.changed_at is '变更时间 | when the content last changed';
create view asked.scene as
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
from store."scene" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.scene is '影像 | Metadata of an image (S3, STAC 1.0).';
comment on column asked.scene.id is '编号 | the row''s id: collection, scene_id';
comment on column asked.scene.collection is '影像集 | satellite, uav';
comment on column asked.scene.scene_id is '影像编号 | scene id';
comment on column asked.scene.taken_at is '拍摄时间 | local time';
comment on column asked.scene.taken_from is '拍摄开始 | taken from';
comment on column asked.scene.taken_until is '拍摄结束 | taken until';
comment on column asked.scene.cloud_cover is '云量 | cloud cover [%]';
comment on column asked.scene.gsd is '地面分辨率 | gsd [m]';
comment on column asked.scene.platform is '平台 | platform';
comment on column asked.scene.project_code is '项目代码 | project code';
comment on column asked.scene.assets is '资源 | {name: href without its query}';
comment on column asked.scene.updated_at is '更新时间 | updated at';
comment on column asked.scene.geom is '覆盖范围 | WKB, EPSG:4490, longitude first';
comment on column asked.scene.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.scene.changed_at is '变更时间 | when the content last changed';

create view onemap.site_reading with (security_barrier) as
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
from store."site_reading" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.site_reading is '工地读数 | A reading of a site device (S4).';
comment on column onemap.site_reading.id is '编号 | the row''s id: project_code, device, kind, read_at';
comment on column onemap.site_reading.project_code is '项目代码 | project code';
comment on column onemap.site_reading.device is '设备 | device';
comment on column onemap.site_reading.kind is '类别 | power kWh, gate 次, crane 次, dust µg/m³ (codes: reading_kind)';
comment on column onemap.site_reading.read_at is '时间 | local time with milliseconds';
comment on column onemap.site_reading.value is '读数 | value';
comment on column onemap.site_reading.via is '途径 | http, mqtt: http wins';
comment on column onemap.site_reading.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column onemap.site_reading.changed_at is '变更时间 | when the content last changed';
create view asked.site_reading as
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
from store."site_reading" x
where x.gone_at is null and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.site_reading is '工地读数 | A reading of a site device (S4).';
comment on column asked.site_reading.id is '编号 | the row''s id: project_code, device, kind, read_at';
comment on column asked.site_reading.project_code is '项目代码 | project code';
comment on column asked.site_reading.device is '设备 | device';
comment on column asked.site_reading.kind is '类别 | power kWh, gate 次, crane 次, dust µg/m³ (codes: reading_kind)';
comment on column asked.site_reading.read_at is '时间 | local time with milliseconds';
comment on column asked.site_reading.value is '读数 | value';
comment on column asked.site_reading.via is '途径 | http, mqtt: http wins';
comment on column asked.site_reading.provenance is '字段来源 | column -> feed and record key; * = the whole row';
comment on column asked.site_reading.changed_at is '变更时间 | when the content last changed';

create view onemap.project_stage with (security_barrier) as
select
    x.project_code as project_code,
    x.stage as stage,
    x.stage_name as stage_name,
    x.state as state,
    x.completed_at as completed_at,
    x.as_of as judged_on
from supervision.stage_state x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.project_stage is '项目阶段 | State of each of the 8 stages of each project.';
comment on column onemap.project_stage.project_code is '项目代码 | project';
comment on column onemap.project_stage.stage is '阶段 | 1 to 8';
comment on column onemap.project_stage.stage_name is '阶段名称 | name';
comment on column onemap.project_stage.state is '状态 | 完成, 进行, 未开始, 不适用';
comment on column onemap.project_stage.completed_at is '完成时间 | when its last milestone was done';
comment on column onemap.project_stage.judged_on is '判定日 | the day that it stands for';
create view asked.project_stage as
select
    x.project_code as project_code,
    x.stage as stage,
    x.stage_name as stage_name,
    x.state as state,
    x.completed_at as completed_at,
    x.as_of as judged_on
from supervision.stage_state x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.project_stage is '项目阶段 | State of each of the 8 stages of each project.';
comment on column asked.project_stage.project_code is '项目代码 | project';
comment on column asked.project_stage.stage is '阶段 | 1 to 8';
comment on column asked.project_stage.stage_name is '阶段名称 | name';
comment on column asked.project_stage.state is '状态 | 完成, 进行, 未开始, 不适用';
comment on column asked.project_stage.completed_at is '完成时间 | when its last milestone was done';
comment on column asked.project_stage.judged_on is '判定日 | the day that it stands for';

create view onemap.project_item with (security_barrier) as
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
from supervision.project_item x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view onemap.project_item is '项目应办事项 | What a project is expected to go through, and how far it is; expected null: not judged.';
comment on column onemap.project_item.project_code is '项目代码 | project';
comment on column onemap.project_item.item_code is '事项编码 | item';
comment on column onemap.project_item.item_name is '事项名称 | name';
comment on column onemap.project_item.stage is '阶段 | 1 to 8';
comment on column onemap.project_item.kind is '事项性质 | 政务服务事项, 政府内部事项 (codes: item_kind)';
comment on column onemap.project_item.department is '牵头部门 | lead department';
comment on column onemap.project_item.department_code is '牵头部门代码 | its code';
comment on column onemap.project_item.expected is '是否应办 | expected of this project; null: cannot be judged yet';
comment on column onemap.project_item.state is '状态 | 已办 done, 在办 open, 未办 none yet, 未知 of a channel that is not read';
comment on column onemap.project_item.done_at is '办成时间 | when it was done';
comment on column onemap.project_item.turn is '轮到谁 | 待企业申报, 待部门办理; null: not current';
comment on column onemap.project_item.judged_on is '判定日 | the day that it stands for';
create view asked.project_item as
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
from supervision.project_item x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))));
comment on view asked.project_item is '项目应办事项 | What a project is expected to go through, and how far it is; expected null: not judged.';
comment on column asked.project_item.project_code is '项目代码 | project';
comment on column asked.project_item.item_code is '事项编码 | item';
comment on column asked.project_item.item_name is '事项名称 | name';
comment on column asked.project_item.stage is '阶段 | 1 to 8';
comment on column asked.project_item.kind is '事项性质 | 政务服务事项, 政府内部事项 (codes: item_kind)';
comment on column asked.project_item.department is '牵头部门 | lead department';
comment on column asked.project_item.department_code is '牵头部门代码 | its code';
comment on column asked.project_item.expected is '是否应办 | expected of this project; null: cannot be judged yet';
comment on column asked.project_item.state is '状态 | 已办 done, 在办 open, 未办 none yet, 未知 of a channel that is not read';
comment on column asked.project_item.done_at is '办成时间 | when it was done';
comment on column asked.project_item.turn is '轮到谁 | 待企业申报, 待部门办理; null: not current';
comment on column asked.project_item.judged_on is '判定日 | the day that it stands for';

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
    x.decision_note as decision_note
from supervision.finding x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view onemap.finding is '发现 | Findings of supervision; 疑似，待核 until confirmed.';
comment on column onemap.finding.id is '编号 | computed from its key';
comment on column onemap.finding.rule is '规则 | rule (docs/rules.md)';
comment on column onemap.finding.project_code is '项目代码 | project';
comment on column onemap.finding.item_code is '事项编码 | item';
comment on column onemap.finding.case_no is '办件编号 | case, licence or polygon';
comment on column onemap.finding.case_id is '办件 | case.id';
comment on column onemap.finding.level is '级别 | level, where the rule has some';
comment on column onemap.finding.kind is '种类 | kind, where the rule has some';
comment on column onemap.finding.severity is '严重程度 | 1 提示, 2 一般, 3 严重';
comment on column onemap.finding.department_code is '责任部门代码 | who must answer';
comment on column onemap.finding.department_name is '责任部门 | its name';
comment on column onemap.finding.text is '说明 | the finding in Chinese';
comment on column onemap.finding.evidence is '证据 | [{row, sources}]';
comment on column onemap.finding.state is '状态 | open 疑似待核, confirmed 已确认, lifted 误报, closed 已消除';
comment on column onemap.finding.opened_on is '出现日 | opened';
comment on column onemap.finding.closed_on is '消除日 | closed';
comment on column onemap.finding.judged_on is '判定日 | judged last';
comment on column onemap.finding.decided_at is '核定时间 | when a person decided';
comment on column onemap.finding.decision_note is '核定说明 | why';
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
    x.decision_note as decision_note
from supervision.finding x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view asked.finding is '发现 | Findings of supervision; 疑似，待核 until confirmed.';
comment on column asked.finding.id is '编号 | computed from its key';
comment on column asked.finding.rule is '规则 | rule (docs/rules.md)';
comment on column asked.finding.project_code is '项目代码 | project';
comment on column asked.finding.item_code is '事项编码 | item';
comment on column asked.finding.case_no is '办件编号 | case, licence or polygon';
comment on column asked.finding.case_id is '办件 | case.id';
comment on column asked.finding.level is '级别 | level, where the rule has some';
comment on column asked.finding.kind is '种类 | kind, where the rule has some';
comment on column asked.finding.severity is '严重程度 | 1 提示, 2 一般, 3 严重';
comment on column asked.finding.department_code is '责任部门代码 | who must answer';
comment on column asked.finding.department_name is '责任部门 | its name';
comment on column asked.finding.text is '说明 | the finding in Chinese';
comment on column asked.finding.evidence is '证据 | [{row, sources}]';
comment on column asked.finding.state is '状态 | open 疑似待核, confirmed 已确认, lifted 误报, closed 已消除';
comment on column asked.finding.opened_on is '出现日 | opened';
comment on column asked.finding.closed_on is '消除日 | closed';
comment on column asked.finding.judged_on is '判定日 | judged last';
comment on column asked.finding.decided_at is '核定时间 | when a person decided';
comment on column asked.finding.decision_note is '核定说明 | why';

create view onemap.work_order with (security_barrier) as
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
from supervision.work_order x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view onemap.work_order is '工单 | Work orders, one a finding.';
comment on column onemap.work_order.no is '工单编号 | number';
comment on column onemap.work_order.finding_id is '发现 | finding.id';
comment on column onemap.work_order.rule is '规则 | rule';
comment on column onemap.work_order.project_code is '项目代码 | project';
comment on column onemap.work_order.item_code is '事项编码 | item';
comment on column onemap.work_order.case_no is '办件编号 | case';
comment on column onemap.work_order.department_code is '责任部门代码 | who has to act';
comment on column onemap.work_order.department_name is '责任部门 | its name';
comment on column onemap.work_order.severity is '严重程度 | 1 提示, 2 一般, 3 严重';
comment on column onemap.work_order.state is '状态 | dispatched 待签收, signed 待反馈, answered 待核销, disputed 误报待判定, closed 已办结';
comment on column onemap.work_order.dispatched_at is '派单时间 | dispatched';
comment on column onemap.work_order.due_on is '本环节到期日 | last day of the running limit';
comment on column onemap.work_order.urged_on is '催办日 | urged';
comment on column onemap.work_order.escalated_on is '督办日 | gone to the superior';
comment on column onemap.work_order.result is '反馈结论 | 整改, 误报';
comment on column onemap.work_order.answer is '反馈内容 | the answer';
comment on column onemap.work_order.closed_at is '办结时间 | closed';
create view asked.work_order as
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
from supervision.work_order x
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view asked.work_order is '工单 | Work orders, one a finding.';
comment on column asked.work_order.no is '工单编号 | number';
comment on column asked.work_order.finding_id is '发现 | finding.id';
comment on column asked.work_order.rule is '规则 | rule';
comment on column asked.work_order.project_code is '项目代码 | project';
comment on column asked.work_order.item_code is '事项编码 | item';
comment on column asked.work_order.case_no is '办件编号 | case';
comment on column asked.work_order.department_code is '责任部门代码 | who has to act';
comment on column asked.work_order.department_name is '责任部门 | its name';
comment on column asked.work_order.severity is '严重程度 | 1 提示, 2 一般, 3 严重';
comment on column asked.work_order.state is '状态 | dispatched 待签收, signed 待反馈, answered 待核销, disputed 误报待判定, closed 已办结';
comment on column asked.work_order.dispatched_at is '派单时间 | dispatched';
comment on column asked.work_order.due_on is '本环节到期日 | last day of the running limit';
comment on column asked.work_order.urged_on is '催办日 | urged';
comment on column asked.work_order.escalated_on is '督办日 | gone to the superior';
comment on column asked.work_order.result is '反馈结论 | 整改, 误报';
comment on column asked.work_order.answer is '反馈内容 | the answer';
comment on column asked.work_order.closed_at is '办结时间 | closed';

create view onemap.order_step with (security_barrier) as
select
    x.seq as seq,
    x.order_no as order_no,
    x.at as at,
    x.step as step,
    case when (select (serving.sight_of(current_user)).personal) then x.by else serving.mask_name(x.by) end as by,
    x.why as why
from supervision.order_step x join supervision.work_order w on w.no = x.order_no
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = w.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or w.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view onemap.order_step is '工单履历 | Every step of a work order: when, who, why; append-only.';
comment on column onemap.order_step.seq is '序号 | order of steps';
comment on column onemap.order_step.order_no is '工单编号 | work_order.no';
comment on column onemap.order_step.at is '时间 | when';
comment on column onemap.order_step.step is '步骤 | dispatched, signed, answered, asked_close, urged, escalated, rerouted, closed, reopened, noted';
comment on column onemap.order_step.by is '经办 | who (masked: personal data)';
comment on column onemap.order_step.why is '事由 | why';
create view asked.order_step as
select
    x.seq as seq,
    x.order_no as order_no,
    x.at as at,
    x.step as step,
    case when (select (serving.sight_of(current_user)).personal) then x.by else serving.mask_name(x.by) end as by,
    x.why as why
from supervision.order_step x join supervision.work_order w on w.no = x.order_no
where ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = w.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or w.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]))));
comment on view asked.order_step is '工单履历 | Every step of a work order: when, who, why; append-only.';
comment on column asked.order_step.seq is '序号 | order of steps';
comment on column asked.order_step.order_no is '工单编号 | work_order.no';
comment on column asked.order_step.at is '时间 | when';
comment on column asked.order_step.step is '步骤 | dispatched, signed, answered, asked_close, urged, escalated, rerouted, closed, reopened, noted';
comment on column asked.order_step.by is '经办 | who (masked: personal data)';
comment on column asked.order_step.why is '事由 | why';

create view onemap.change with (security_barrier) as
select
    c.seq as seq,
    c.xid as xid,
    c.entity as entity,
    c.entity_id as entity_id,
    c.op as op,
    c.columns as columns,
    c.sources as sources,
    c.at as at
from store.change c
where ((select (serving.sight_of(current_user)).free) or case c.entity when 'project' then exists (select from store."project" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'case' then exists (select from store."case" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))) when 'case_event' then exists (select from store."case_event" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'special_procedure' then exists (select from store."special_procedure" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'material' then exists (select from store."material" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'licence' then exists (select from store."licence" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))) when 'land_approval' then exists (select from store."land_approval" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'engineering' then exists (select from store."engineering" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'redline' then exists (select from store."redline" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'site_reading' then exists (select from store."site_reading" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'parcel' then exists (select from store."parcel" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'scene' then exists (select from store."scene" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'change_polygon' then exists (select from store."change_polygon" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])))))) when 'enterprise' then exists (select from store."enterprise" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))))) when 'item' then true when 'national_task' then true else false end);
comment on view onemap.change is '变更流 | Every change of the store, in commit order; read it by (xid, seq) and stop before the oldest transaction that runs.';
comment on column onemap.change.seq is '序号 | number';
comment on column onemap.change.xid is '事务号 | transaction that wrote it';
comment on column onemap.change.entity is '实体 | entity';
comment on column onemap.change.entity_id is '编号 | id of the row';
comment on column onemap.change.op is '操作 | ADD, MOD, DEL';
comment on column onemap.change.columns is '变更字段 | columns that changed';
comment on column onemap.change.sources is '来源 | feeds that the change came from';
comment on column onemap.change.at is '时间 | when';
create view asked.change as
select
    c.seq as seq,
    c.xid as xid,
    c.entity as entity,
    c.entity_id as entity_id,
    c.op as op,
    c.columns as columns,
    c.sources as sources,
    c.at as at
from store.change c
where ((select (serving.sight_of(current_user)).free) or case c.entity when 'project' then exists (select from store."project" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'case' then exists (select from store."case" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and left(x.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))) when 'case_event' then exists (select from store."case_event" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'special_procedure' then exists (select from store."special_procedure" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'material' then exists (select from store."material" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store."case" oc where oc.id = x.case_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = oc.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (oc.project_code is null and left(oc.town_code, 9) = any ((select (serving.sight_of(current_user)).towns)::text[])))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (oc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or oc.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'licence' then exists (select from store."licence" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (x.organ_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or x.item_code = any ((select (serving.sight_of(current_user)).items)::text[])))))) when 'land_approval' then exists (select from store."land_approval" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'engineering' then exists (select from store."engineering" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'redline' then exists (select from store."redline" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'site_reading' then exists (select from store."site_reading" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'parcel' then exists (select from store."parcel" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'parcel' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'scene' then exists (select from store."scene" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or (exists (select from store.project tp where tp.id = x.project_code and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[])) or (x.project_code is null and exists (select from serving.place pl where pl.entity = 'scene' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = x.project_code and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = x.project_code and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = x.project_code and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))) when 'change_polygon' then exists (select from store."change_polygon" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from serving.place pl where pl.entity = 'change_polygon' and pl.id = x.id and pl.content_hash = x.content_hash and pl.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or exists (select from supervision.finding gf where gf.case_no = x.id and gf.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])))))) when 'enterprise' then exists (select from store."enterprise" x where x.id = c.entity_id and ((select (serving.sight_of(current_user)).free) or exists (select from store.project ep where ep.applicant_uscc = x.uscc and ((select (serving.sight_of(current_user)).free) or (((select (serving.sight_of(current_user)).towns)::text[] is null or exists (select from store.project tp where tp.id = ep.id and tp.town_code = any ((select (serving.sight_of(current_user)).towns)::text[]))) and ((select (serving.sight_of(current_user)).departments)::text[] is null or (exists (select from store."case" dc where dc.project_code = ep.id and dc.gone_at is null and (dc.department_code = any ((select (serving.sight_of(current_user)).departments)::text[]) or dc.item_code = any ((select (serving.sight_of(current_user)).items)::text[]))) or exists (select from supervision.finding df where df.project_code = ep.id and df.department_code = any ((select (serving.sight_of(current_user)).departments)::text[])) or exists (select from supervision.position dp, jsonb_array_elements(dp.current_items) di where dp.project_code = ep.id and (di ->> 'department_code' = any ((select (serving.sight_of(current_user)).departments)::text[]) or di ->> 'item_code' = any ((select (serving.sight_of(current_user)).items)::text[])))))))))) when 'item' then true when 'national_task' then true else false end);
comment on view asked.change is '变更流 | Every change of the store, in commit order; read it by (xid, seq) and stop before the oldest transaction that runs.';
comment on column asked.change.seq is '序号 | number';
comment on column asked.change.xid is '事务号 | transaction that wrote it';
comment on column asked.change.entity is '实体 | entity';
comment on column asked.change.entity_id is '编号 | id of the row';
comment on column asked.change.op is '操作 | ADD, MOD, DEL';
comment on column asked.change.columns is '变更字段 | columns that changed';
comment on column asked.change.sources is '来源 | feeds that the change came from';
comment on column asked.change.at is '时间 | when';
