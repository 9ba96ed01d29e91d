-- The first state of the hub's tables, frozen. Later changes are revisions of their own.

CREATE TABLE landing.run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    source TEXT NOT NULL,
    feed TEXT NOT NULL,
    window_start TIMESTAMP WITHOUT TIME ZONE,
    window_end TIMESTAMP WITHOUT TIME ZONE,
    window_full BOOLEAN NOT NULL,
    trigger TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT DEFAULT 'running' NOT NULL,
    phase TEXT,
    fault TEXT,
    code TEXT,
    error TEXT,
    remedy TEXT,
    zh TEXT,
    rows_in BIGINT DEFAULT '0' NOT NULL,
    "new" BIGINT DEFAULT '0' NOT NULL,
    changed BIGINT DEFAULT '0' NOT NULL,
    history BIGINT DEFAULT '0' NOT NULL,
    unchanged BIGINT DEFAULT '0' NOT NULL,
    quarantined BIGINT DEFAULT '0' NOT NULL,
    tombstoned BIGINT DEFAULT '0' NOT NULL,
    absent BIGINT DEFAULT '0' NOT NULL,
    bytes BIGINT DEFAULT '0' NOT NULL,
    payloads BIGINT DEFAULT '0' NOT NULL,
    complete BOOLEAN,
    why TEXT,
    claimed BIGINT,
    distinct_keys BIGINT,
    mapping_version INTEGER,
    code_version TEXT,
    process TEXT,
    CONSTRAINT run_pk PRIMARY KEY (id)
);

CREATE INDEX run_open_ix ON landing.run (feed) WHERE ended_at is null;

CREATE INDEX run_feed_started_at_ix ON landing.run (feed, started_at);

COMMENT ON TABLE landing.run IS '批次：对一个数据流一个窗口的一次尝试 | one try at one (feed, window)';

COMMENT ON COLUMN landing.run.id IS '批次号 | run';

COMMENT ON COLUMN landing.run.source IS '数源 | source';

COMMENT ON COLUMN landing.run.feed IS '数据流 | feed, <source>.<name>';

COMMENT ON COLUMN landing.run.window_start IS '窗口起 | start of the window, included; null: open';

COMMENT ON COLUMN landing.run.window_end IS '窗口止 | end of the window, excluded; null: open';

COMMENT ON COLUMN landing.run.window_full IS '是否全量 | the whole listing was asked for';

COMMENT ON COLUMN landing.run.trigger IS '触发方式 | cli, schedule, backfill, reconcile, redrive, remap';

COMMENT ON COLUMN landing.run.started_at IS '开始时间 | started';

COMMENT ON COLUMN landing.run.ended_at IS '结束时间 | ended; null: running, or killed';

COMMENT ON COLUMN landing.run.outcome IS '结果 | running, ok, failed, held (a gate waits for a person), waiting';

COMMENT ON COLUMN landing.run.phase IS '所在环节 | the phase that it reached';

COMMENT ON COLUMN landing.run.fault IS '责任归属 | whose duty: configuration, authentication, transient, provider, ours';

COMMENT ON COLUMN landing.run.code IS '错误代码 | the error''s class or code';

COMMENT ON COLUMN landing.run.error IS '错误 | what happened, English, without secrets';

COMMENT ON COLUMN landing.run.remedy IS '处置建议 | what to do, English';

COMMENT ON COLUMN landing.run.zh IS '中文说明 | the whole in Chinese';

COMMENT ON COLUMN landing.run.rows_in IS '流入行数 | rows decoded + rejects of decoding';

COMMENT ON COLUMN landing.run."new" IS '新增 | records not known before';

COMMENT ON COLUMN landing.run.changed IS '变更 | records with a newer version';

COMMENT ON COLUMN landing.run.history IS '历史版本 | older versions, stored';

COMMENT ON COLUMN landing.run.unchanged IS '未变 | known already, or said twice';

COMMENT ON COLUMN landing.run.quarantined IS '隔离 | rejected rows';

COMMENT ON COLUMN landing.run.tombstoned IS '来源注销 | the source says that the record is gone';

COMMENT ON COLUMN landing.run.absent IS '缺席注销 | deletions by proven absence; they did not come in';

COMMENT ON COLUMN landing.run.bytes IS '字节数 | bytes received';

COMMENT ON COLUMN landing.run.payloads IS '报文数 | answers, pages or files received';

COMMENT ON COLUMN landing.run.complete IS '是否完整 | the source''s proof that the window was read in full';

COMMENT ON COLUMN landing.run.why IS '完整性依据 | how completeness is known';

COMMENT ON COLUMN landing.run.claimed IS '来源声称条数 | what the source says it has';

COMMENT ON COLUMN landing.run.distinct_keys IS '不同键数 | distinct keys that came';

COMMENT ON COLUMN landing.run.mapping_version IS '映射版本 | version of the mapping';

COMMENT ON COLUMN landing.run.code_version IS '程序版本 | version of the hub';

COMMENT ON COLUMN landing.run.process IS '进程 | host and process id';

CREATE TABLE source.record (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    feed TEXT NOT NULL,
    record_key TEXT NOT NULL,
    raw JSONB NOT NULL,
    content_hash BYTEA NOT NULL,
    source_time TIMESTAMP WITHOUT TIME ZONE,
    rank BIGINT,
    receipt_id BIGINT NOT NULL,
    place TEXT,
    run_id BIGINT NOT NULL,
    mapping_version INTEGER NOT NULL,
    code_version TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    tombstoned_at TIMESTAMP WITH TIME ZONE,
    tombstone TEXT,
    gone_receipt BIGINT,
    CONSTRAINT record_pk PRIMARY KEY (id),
    CONSTRAINT record_feed_record_key_uq UNIQUE (feed, record_key)
);

COMMENT ON TABLE source.record IS '记录：来源记录的现行版本 | the current version of a source''s record';

COMMENT ON COLUMN source.record.id IS '记录号 | record';

COMMENT ON COLUMN source.record.feed IS '数据流 | feed';

COMMENT ON COLUMN source.record.record_key IS '记录键 | the source''s key, its parts joined by |';

COMMENT ON COLUMN source.record.raw IS '原始行 | the current version as decoded, empty fields dropped';

COMMENT ON COLUMN source.record.content_hash IS '内容摘要 | SHA-256 of the row as mapped, in one canonical form';

COMMENT ON COLUMN source.record.source_time IS '来源时间 | business time of the version; null: the feed has none';

COMMENT ON COLUMN source.record.rank IS '次序 | order of versions of equal time';

COMMENT ON COLUMN source.record.receipt_id IS '回执 | receipt that brought it';

COMMENT ON COLUMN source.record.place IS '位置 | where in the payload';

COMMENT ON COLUMN source.record.run_id IS '批次 | run that wrote it';

COMMENT ON COLUMN source.record.mapping_version IS '映射版本 | version of the mapping of its entity rows';

COMMENT ON COLUMN source.record.code_version IS '程序版本 | version of the hub';

COMMENT ON COLUMN source.record.recorded_at IS '入库时间 | when this version became current';

COMMENT ON COLUMN source.record.tombstoned_at IS '注销时间 | since when it is gone; null: it stands';

COMMENT ON COLUMN source.record.tombstone IS '注销依据 | said (by the source), absent (from a complete listing), replaced (its part was), remapped';

COMMENT ON COLUMN source.record.gone_receipt IS '注销时回执 | last receipt before its absence was proven: what is older revives nothing';

CREATE TABLE source.record_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    record_id BIGINT NOT NULL,
    raw JSONB NOT NULL,
    content_hash BYTEA NOT NULL,
    source_time TIMESTAMP WITHOUT TIME ZONE,
    rank BIGINT,
    said_gone BOOLEAN NOT NULL,
    receipt_id BIGINT NOT NULL,
    place TEXT,
    run_id BIGINT NOT NULL,
    mapping_version INTEGER NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    superseded_at TIMESTAMP WITH TIME ZONE,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT record_history_pk PRIMARY KEY (id),
    CONSTRAINT record_history_record_id_source_time_rank_content_hash_uq UNIQUE NULLS NOT DISTINCT (record_id, source_time, rank, content_hash)
);

COMMENT ON TABLE source.record_history IS '历史版本：迟到的旧版本亦在内 | every other version seen, older ones that arrive late too';

COMMENT ON COLUMN source.record_history.id IS '历史号 | entry';

COMMENT ON COLUMN source.record_history.record_id IS '记录 | record';

COMMENT ON COLUMN source.record_history.raw IS '原始行 | the version as decoded';

COMMENT ON COLUMN source.record_history.content_hash IS '内容摘要 | as in record';

COMMENT ON COLUMN source.record_history.source_time IS '来源时间 | business time';

COMMENT ON COLUMN source.record_history.rank IS '次序 | order of versions of equal time';

COMMENT ON COLUMN source.record_history.said_gone IS '是否注销 | the version says that the record is gone';

COMMENT ON COLUMN source.record_history.receipt_id IS '回执 | receipt that brought it';

COMMENT ON COLUMN source.record_history.place IS '位置 | where in the payload';

COMMENT ON COLUMN source.record_history.run_id IS '批次 | run that brought it';

COMMENT ON COLUMN source.record_history.mapping_version IS '映射版本 | version of the mapping';

COMMENT ON COLUMN source.record_history.recorded_at IS '入库时间 | when the hub learned of it';

COMMENT ON COLUMN source.record_history.superseded_at IS '被取代时间 | when it ceased to be current; null: it never was';

COMMENT ON COLUMN source.record_history.withdrawn_at IS '撤回时间 | when the part that said it was sent again without it; null: it counts';

CREATE TABLE source.absence (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    record_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    run_id BIGINT NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    back_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT absence_pk PRIMARY KEY (id)
);

CREATE INDEX absence_record_id_ix ON source.absence (record_id);

COMMENT ON TABLE source.absence IS '缺席：由完整清单证明的注销及恢复 | deletions proven by absence, and returns';

COMMENT ON COLUMN source.absence.id IS '缺席号 | entry';

COMMENT ON COLUMN source.absence.record_id IS '记录 | record';

COMMENT ON COLUMN source.absence.reason IS '依据 | absent, replaced, remapped';

COMMENT ON COLUMN source.absence.run_id IS '批次 | run that proved it';

COMMENT ON COLUMN source.absence.gone_at IS '注销时间 | gone';

COMMENT ON COLUMN source.absence.back_at IS '恢复时间 | came back; null: still gone';

CREATE TABLE source.version_scope (
    record_id BIGINT NOT NULL,
    source_time TIMESTAMP WITHOUT TIME ZONE,
    rank BIGINT,
    content_hash BYTEA NOT NULL,
    feed TEXT NOT NULL,
    scope TEXT NOT NULL,
    receipt_id BIGINT NOT NULL,
    CONSTRAINT version_scope_uq UNIQUE NULLS NOT DISTINCT (record_id, source_time, rank, content_hash, scope)
);

CREATE INDEX version_scope_feed_scope_ix ON source.version_scope (feed, scope);

COMMENT ON TABLE source.version_scope IS '版本所在范围：整份替换的数据流 | which parts say a version, where parts are sent again wholly';

COMMENT ON COLUMN source.version_scope.record_id IS '记录 | record';

COMMENT ON COLUMN source.version_scope.source_time IS '来源时间 | of the version';

COMMENT ON COLUMN source.version_scope.rank IS '次序 | of the version';

COMMENT ON COLUMN source.version_scope.content_hash IS '内容摘要 | of the version';

COMMENT ON COLUMN source.version_scope.feed IS '数据流 | feed';

COMMENT ON COLUMN source.version_scope.scope IS '替换范围 | a part that says this version';

COMMENT ON COLUMN source.version_scope.receipt_id IS '回执 | the part''s receipt that said it last';

CREATE TABLE store.dirty (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    record_id BIGINT NOT NULL,
    feed TEXT NOT NULL,
    run_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);

COMMENT ON TABLE store.dirty IS '待归一：已变更而尚未归一的记录 | changed records that unify has not yet taken';

COMMENT ON COLUMN store.dirty.seq IS '序号 | order';

COMMENT ON COLUMN store.dirty.record_id IS '记录 | a record whose current version changed';

COMMENT ON COLUMN store.dirty.feed IS '数据流 | feed';

COMMENT ON COLUMN store.dirty.run_id IS '批次 | run';

COMMENT ON COLUMN store.dirty.at IS '时间 | when';

CREATE TABLE store.case_member (
    channel TEXT NOT NULL,
    case_no TEXT NOT NULL,
    case_id TEXT NOT NULL,
    why TEXT NOT NULL,
    evidence JSONB DEFAULT '[]' NOT NULL,
    judgement_id BIGINT,
    joined_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT case_member_pk PRIMARY KEY (channel, case_no)
);

CREATE INDEX case_member_case_id_ix ON store.case_member (case_id);

COMMENT ON TABLE store.case_member IS '办件成员：各系统办件号归入同一办件 | which numbers of which systems are one case';

COMMENT ON COLUMN store.case_member.channel IS '来源系统 | channel of the node';

COMMENT ON COLUMN store.case_member.case_no IS '办件编号 | the node''s number in its channel';

COMMENT ON COLUMN store.case_member.case_id IS '办件 | store.case that the node belongs to';

COMMENT ON COLUMN store.case_member.why IS '依据 | self, municipal_no, department_no, case_no, judgement';

COMMENT ON COLUMN store.case_member.evidence IS '证据 | the rows that joined it: [{feed, record_key, field}]';

COMMENT ON COLUMN store.case_member.judgement_id IS '判定 | store.identity_judgement, where a judgement decided';

COMMENT ON COLUMN store.case_member.joined_at IS '归入时间 | since when';

CREATE TABLE store.project_alias (
    alias TEXT NOT NULL,
    project_id TEXT NOT NULL,
    why TEXT NOT NULL,
    judgement_id BIGINT,
    since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT project_alias_pk PRIMARY KEY (alias)
);

CREATE INDEX project_alias_project_id_ix ON store.project_alias (project_id);

COMMENT ON TABLE store.project_alias IS '项目别名：合并后的编号转向 | codes that mean a project; merged ids redirect';

COMMENT ON COLUMN store.project_alias.alias IS '别名 | a project code as written, or an id merged away';

COMMENT ON COLUMN store.project_alias.project_id IS '项目 | store.project that it means now';

COMMENT ON COLUMN store.project_alias.why IS '依据 | merged, normalised, judgement';

COMMENT ON COLUMN store.project_alias.judgement_id IS '判定 | store.identity_judgement, where a judgement decided';

COMMENT ON COLUMN store.project_alias.since IS '起始时间 | since when';

CREATE TABLE store.identity_judgement (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    entity TEXT NOT NULL,
    left_id TEXT NOT NULL,
    right_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    rule TEXT,
    score NUMERIC,
    evidence JSONB DEFAULT '{}' NOT NULL,
    judged_by TEXT NOT NULL,
    judged_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    undone_at TIMESTAMP WITH TIME ZONE,
    undone_by TEXT,
    note TEXT,
    CONSTRAINT identity_judgement_pk PRIMARY KEY (id),
    CONSTRAINT identity_judgement_verdict_ck CHECK (verdict in ('same', 'different', 'unsure')),
    CONSTRAINT identity_judgement_order_ck CHECK (left_id < right_id)
);

CREATE UNIQUE INDEX identity_judgement_in_force_uq ON store.identity_judgement (entity, left_id, right_id, judged_by) WHERE undone_at is null;

COMMENT ON TABLE store.identity_judgement IS '同一性判定：可否决、可撤销 | judgements of sameness: can be refused and undone, never deleted';

COMMENT ON COLUMN store.identity_judgement.id IS '判定号 | judgement';

COMMENT ON COLUMN store.identity_judgement.entity IS '实体 | case, project, parcel, licence';

COMMENT ON COLUMN store.identity_judgement.left_id IS '甲 | one of the two';

COMMENT ON COLUMN store.identity_judgement.right_id IS '乙 | the other; left_id < right_id';

COMMENT ON COLUMN store.identity_judgement.verdict IS '结论 | same, different, unsure';

COMMENT ON COLUMN store.identity_judgement.rule IS '规则 | the rule that judged; null: a person did';

COMMENT ON COLUMN store.identity_judgement.score IS '把握 | 0 to 1';

COMMENT ON COLUMN store.identity_judgement.evidence IS '证据 | what spoke for it';

COMMENT ON COLUMN store.identity_judgement.judged_by IS '判定人 | a person''s account, or system';

COMMENT ON COLUMN store.identity_judgement.judged_at IS '判定时间 | when';

COMMENT ON COLUMN store.identity_judgement.undone_at IS '撤销时间 | when it was undone; null: in force';

COMMENT ON COLUMN store.identity_judgement.undone_by IS '撤销人 | who undid it';

COMMENT ON COLUMN store.identity_judgement.note IS '说明 | why';

CREATE TABLE store.change (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    op TEXT NOT NULL,
    columns TEXT[],
    sources TEXT[],
    content_hash BYTEA,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    xid BIGINT DEFAULT (pg_current_xact_id()::text)::bigint NOT NULL,
    CONSTRAINT change_pk PRIMARY KEY (seq),
    CONSTRAINT change_op_ck CHECK (op in ('ADD', 'MOD', 'DEL'))
);

CREATE INDEX change_entity_entity_id_seq_ix ON store.change (entity, entity_id, seq);

COMMENT ON TABLE store.change IS '变更流 | the feed of changes';

COMMENT ON COLUMN store.change.seq IS '序号 | place in the feed of changes';

COMMENT ON COLUMN store.change.entity IS '实体 | entity';

COMMENT ON COLUMN store.change.entity_id IS '编号 | id of the golden row';

COMMENT ON COLUMN store.change.op IS '操作 | ADD, MOD, DEL';

COMMENT ON COLUMN store.change.columns IS '变更字段 | columns that changed';

COMMENT ON COLUMN store.change.sources IS '来源 | feeds that the change came from';

COMMENT ON COLUMN store.change.content_hash IS '内容摘要 | of the row after the change';

COMMENT ON COLUMN store.change.at IS '时间 | when';

COMMENT ON COLUMN store.change.xid IS '事务号 | transaction that wrote it; readers stop before the oldest one running';

CREATE TABLE store.audit (
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    previous BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    CONSTRAINT audit_pk PRIMARY KEY (seq)
);

COMMENT ON TABLE store.audit IS '审计日志：哈希链，不可改 | the audit log, a chain of digests';

COMMENT ON COLUMN store.audit.seq IS '序号 | place in the chain, without gaps';

COMMENT ON COLUMN store.audit.at IS '时间 | when';

COMMENT ON COLUMN store.audit.actor IS '主体 | who: account, application or system';

COMMENT ON COLUMN store.audit.action IS '操作 | what: read, decide, release, dismiss, dispatch …';

COMMENT ON COLUMN store.audit.object IS '对象 | of what';

COMMENT ON COLUMN store.audit.detail IS '详情 | parameters, number of rows; never personal data';

COMMENT ON COLUMN store.audit.previous IS '前链值 | digest of the entry before';

COMMENT ON COLUMN store.audit.digest IS '链值 | SHA-256 of this entry and the one before';

CREATE TABLE source."case" (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    channel TEXT,
    part TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    case_no TEXT,
    municipal_no TEXT,
    department_no TEXT,
    prior_case_no TEXT,
    receipt_no TEXT,
    project_code TEXT,
    engineering_code TEXT,
    project_name TEXT,
    item_code TEXT,
    item_name TEXT,
    variant TEXT,
    applicant_type TEXT,
    applicant_name TEXT,
    applicant_id TEXT,
    contact_name TEXT,
    contact_phone TEXT,
    intake_channel TEXT,
    intake_origin TEXT,
    town_code TEXT,
    department_name TEXT,
    department_code TEXT,
    submitted_at TIMESTAMP WITHOUT TIME ZONE,
    accept_state TEXT,
    accepted_at TIMESTAMP WITHOUT TIME ZONE,
    refuse_reason TEXT,
    concluded_at TIMESTAMP WITHOUT TIME ZONE,
    result TEXT,
    result_raw TEXT,
    result_text TEXT,
    licence_no TEXT,
    licence_issued_at TIMESTAMP WITHOUT TIME ZONE,
    limit_days BIGINT,
    promise_date TIMESTAMP WITHOUT TIME ZONE,
    commitment BOOLEAN,
    CONSTRAINT case_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX case_channel_case_no_ix ON source."case" (channel, case_no);

COMMENT ON TABLE source."case" IS '办件（数源） | case as each source tells it, current versions that stand';

COMMENT ON COLUMN source."case".record_id IS '记录 | source.record';

COMMENT ON COLUMN source."case".ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source."case".feed IS '数据流 | feed';

COMMENT ON COLUMN source."case".channel IS '来源系统 | M2, D1, D3, D4, D5, P1, P2, P3: whose number case_no is';

COMMENT ON COLUMN source."case".part IS '分表 | which part of the case the record is: SB, SL, BJ, CASE, LOG, ACCEPT, RESULT, FILING, APPROVAL';

COMMENT ON COLUMN source."case".version IS '版本 | VERSION where the source counts corrections, else null';

COMMENT ON COLUMN source."case".inserted_at IS '入库时间 | INSERTTIME, INSERTIME; the other sources'' update time';

COMMENT ON COLUMN source."case".case_no IS '办件编号 | the channel''s own: M2 SBLSH_SHORT, D1/D4 YWLSH, D3 SPSXSLBM, P3 project_no, D5 申办流水号 else 文号, P1 id, P2 批文号';

COMMENT ON COLUMN source."case".municipal_no IS '省统一申办流水号 SBLSH_SHORT | where the record states it as such (M2, D1, D4)';

COMMENT ON COLUMN source."case".department_no IS '业务流水号 YWLSH | where the record states it as such (M2 SL, D1, D4)';

COMMENT ON COLUMN source."case".prior_case_no IS '原申办流水号 YSBLSH | prior case no';

COMMENT ON COLUMN source."case".receipt_no IS '申办流水号 SBLSH | the long number; YSBLSH may quote it';

COMMENT ON COLUMN source."case".project_code IS '项目代码 | source: as written; golden: as resolved';

COMMENT ON COLUMN source."case".engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN source."case".project_name IS '申办项目名称 SBXMMC | project name';

COMMENT ON COLUMN source."case".item_code IS '事项编码 | source: SXBM, SPSXBM, task_code … as written; golden: the catalogue''s item_code, null when unknown';

COMMENT ON COLUMN source."case".item_name IS '事项名称 | item name';

COMMENT ON COLUMN source."case".variant IS '情形 | SXQXBM, YWQX';

COMMENT ON COLUMN source."case".applicant_type IS '申请人类型 | applicant type';

COMMENT ON COLUMN source."case".applicant_name IS '申请人名称 | applicant name';

COMMENT ON COLUMN source."case".applicant_id IS '申请人证件号码 | USCC of an enterprise or organ, or a person''s ID number (personal data 个人信息)';

COMMENT ON COLUMN source."case".contact_name IS '联系人姓名 | contact name (personal data 个人信息)';

COMMENT ON COLUMN source."case".contact_phone IS '联系人手机 | contact phone (personal data 个人信息)';

COMMENT ON COLUMN source."case".intake_channel IS '申办渠道 WSSBQD | intake channel';

COMMENT ON COLUMN source."case".intake_origin IS '数据来源 SJLY | 1 统一受理, 2 部门自建';

COMMENT ON COLUMN source."case".town_code IS '区划代码 | XZQHDM, GXDXZQHDM: 6 or 9 digits and more';

COMMENT ON COLUMN source."case".department_name IS '办理部门 | department name';

COMMENT ON COLUMN source."case".department_code IS '办理部门代码 | as written: 18 or 9 characters';

COMMENT ON COLUMN source."case".submitted_at IS '接件时间 | SBSJ, apply_date, submitDate';

COMMENT ON COLUMN source."case".accept_state IS '受理状态 SLZTDM | accept state';

COMMENT ON COLUMN source."case".accepted_at IS '受理时间 | SLSJ (whatever the state), accept_date';

COMMENT ON COLUMN source."case".refuse_reason IS '不受理原因 | refuse reason';

COMMENT ON COLUMN source."case".concluded_at IS '办结时间 | BJSJ, result_date, finishDate';

COMMENT ON COLUMN source."case".result IS '办理结果 | canonical: DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED';

COMMENT ON COLUMN source."case".result_raw IS '原结果代码 | BJJGDM, result_type, stateFlagName';

COMMENT ON COLUMN source."case".result_text IS '结果描述 | result text';

COMMENT ON COLUMN source."case".licence_no IS '证件编号 | ZJBH, result_cetr_no, 文号';

COMMENT ON COLUMN source."case".licence_issued_at IS '发证时间 FZSJ | licence issued at';

COMMENT ON COLUMN source."case".limit_days IS '办件自带时限 SXBLSX | an issue when it differs from the catalogue; never a limit';

COMMENT ON COLUMN source."case".promise_date IS '承诺办结时间 promise_date | promise date';

COMMENT ON COLUMN source."case".commitment IS '告知承诺 SXGZCNZSPQK | commitment';

CREATE TABLE source.case_event (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    event TEXT,
    at TIMESTAMP WITHOUT TIME ZONE,
    until TIMESTAMP WITHOUT TIME ZONE,
    raw_code TEXT,
    series TEXT,
    series_key TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    step_code TEXT,
    step_name TEXT,
    department_name TEXT,
    department_code TEXT,
    handler TEXT,
    opinion TEXT,
    origin TEXT,
    pause_kind TEXT,
    limit_days BIGINT,
    limit_unit TEXT,
    CONSTRAINT case_event_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX case_event_channel_case_no_ix ON source.case_event (channel, case_no);

COMMENT ON TABLE source.case_event IS '办件事件（数源） | case_event as each source tells it, current versions that stand';

COMMENT ON COLUMN source.case_event.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.case_event.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.case_event.feed IS '数据流 | feed';

COMMENT ON COLUMN source.case_event.channel IS '来源系统 | channel';

COMMENT ON COLUMN source.case_event.case_no IS '办件编号 | as in case';

COMMENT ON COLUMN source.case_event.event IS '事件 | SUBMITTED, ACCEPTED, REJECTED_INTAKE, SUPPLEMENT_ASKED, SUPPLEMENT_START, SUPPLEMENT_END, HANDLING, CONSULTED, SPECIAL_START, SPECIAL_END, DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED';

COMMENT ON COLUMN source.case_event.at IS '时间 | at';

COMMENT ON COLUMN source.case_event.until IS '结束时间 | where the row itself carries an end (P3 process, P3 special procedure)';

COMMENT ON COLUMN source.case_event.raw_code IS '原代码 | BLZT, SLZTDM, BJJGDM, SPHJZTDM, event_name';

COMMENT ON COLUMN source.case_event.series IS '序列 | SB, SL, SPCL, BZGZ, TBCXSQ, TBCXJG, BJ, LOG, TBCX, SPHJ, CASE, ACCEPT, PROCESS, RESULT, SPECIAL, FILING, APPROVAL, SHEET';

COMMENT ON COLUMN source.case_event.series_key IS '序列键 | the source''s key without VERSION: rows of one (channel, series, series_key) correct each other by version';

COMMENT ON COLUMN source.case_event.version IS '版本 | version';

COMMENT ON COLUMN source.case_event.inserted_at IS '入库时间 | inserted at';

COMMENT ON COLUMN source.case_event.step_code IS '环节代码 | step code';

COMMENT ON COLUMN source.case_event.step_name IS '环节名称 | step name';

COMMENT ON COLUMN source.case_event.department_name IS '办理部门 | department name';

COMMENT ON COLUMN source.case_event.department_code IS '办理部门代码 | department code';

COMMENT ON COLUMN source.case_event.handler IS '办理人 | handler (personal data 个人信息)';

COMMENT ON COLUMN source.case_event.opinion IS '意见 | opinion';

COMMENT ON COLUMN source.case_event.origin IS '数据来源 SJLY | origin';

COMMENT ON COLUMN source.case_event.pause_kind IS '特别程序种类 | A 延长, B 法定情形; of SPECIAL_START';

COMMENT ON COLUMN source.case_event.limit_days IS '特别程序时限 | of SPECIAL_START, in limit_unit; null or 0 = none';

COMMENT ON COLUMN source.case_event.limit_unit IS '时限单位 | limit unit';

CREATE TABLE source.change_polygon (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    polygon_code TEXT,
    district_code TEXT,
    district_name TEXT,
    change_type TEXT,
    feature TEXT,
    seen_before DATE,
    seen_after DATE,
    area NUMERIC(20, 6),
    on_farmland BOOLEAN,
    on_redline BOOLEAN,
    geom BYTEA,
    geom_box box,
    CONSTRAINT change_polygon_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX change_polygon_geom_box_ix ON source.change_polygon USING gist (geom_box);

CREATE INDEX change_polygon_polygon_code_ix ON source.change_polygon (polygon_code);

COMMENT ON TABLE source.change_polygon IS '变化图斑（数源） | change_polygon as each source tells it, current versions that stand';

COMMENT ON COLUMN source.change_polygon.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.change_polygon.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.change_polygon.feed IS '数据流 | feed';

COMMENT ON COLUMN source.change_polygon.polygon_code IS '监测图斑编号 JCBH | polygon code';

COMMENT ON COLUMN source.change_polygon.district_code IS '行政区代码 XZQDM | district code';

COMMENT ON COLUMN source.change_polygon.district_name IS '县名 XMC | district name';

COMMENT ON COLUMN source.change_polygon.change_type IS '图斑类型 TBLX | change type';

COMMENT ON COLUMN source.change_polygon.feature IS '图斑特征 TZ | feature';

COMMENT ON COLUMN source.change_polygon.seen_before IS '前时相 QSX | yyyyMM: the last day of the month';

COMMENT ON COLUMN source.change_polygon.seen_after IS '后时相 HSX | yyyyMM: the last day of the month';

COMMENT ON COLUMN source.change_polygon.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN source.change_polygon.on_farmland IS '是否永农 SFYN | on farmland';

COMMENT ON COLUMN source.change_polygon.on_redline IS '是否红线 SFHX | on redline';

COMMENT ON COLUMN source.change_polygon.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN source.change_polygon.geom_box IS '范围外接矩形 | bounding box, degrees';

CREATE TABLE source.engineering (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    engineering_code TEXT,
    project_code TEXT,
    project_name TEXT,
    scope TEXT,
    prior_code TEXT,
    dialect TEXT,
    CONSTRAINT engineering_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX engineering_engineering_code_ix ON source.engineering (engineering_code);

COMMENT ON TABLE source.engineering IS '工程（数源） | engineering as each source tells it, current versions that stand';

COMMENT ON COLUMN source.engineering.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.engineering.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.engineering.feed IS '数据流 | feed';

COMMENT ON COLUMN source.engineering.engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN source.engineering.project_code IS '项目代码 XMDM | project code';

COMMENT ON COLUMN source.engineering.project_name IS '项目名称 | project name';

COMMENT ON COLUMN source.engineering.scope IS '工程范围 GCFW | scope';

COMMENT ON COLUMN source.engineering.prior_code IS '前阶段关联工程代码 QJDGCDM | prior code';

COMMENT ON COLUMN source.engineering.dialect IS '数据标准版本 | 2.0 or 3.0';

CREATE TABLE source.enterprise (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    uscc TEXT,
    name TEXT,
    legal_person TEXT,
    reg_status TEXT,
    reg_date DATE,
    industry_code TEXT,
    reg_capital NUMERIC(20, 6),
    address TEXT,
    CONSTRAINT enterprise_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX enterprise_uscc_ix ON source.enterprise (uscc);

COMMENT ON TABLE source.enterprise IS '企业（数源） | enterprise as each source tells it, current versions that stand';

COMMENT ON COLUMN source.enterprise.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.enterprise.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.enterprise.feed IS '数据流 | feed';

COMMENT ON COLUMN source.enterprise.uscc IS '统一社会信用代码 | GB 32100-2015';

COMMENT ON COLUMN source.enterprise.name IS '名称 | name';

COMMENT ON COLUMN source.enterprise.legal_person IS '法定代表人 | legal person (personal data 个人信息)';

COMMENT ON COLUMN source.enterprise.reg_status IS '登记状态 | reg status';

COMMENT ON COLUMN source.enterprise.reg_date IS '成立日期 | reg date';

COMMENT ON COLUMN source.enterprise.industry_code IS '国标行业 | industry code';

COMMENT ON COLUMN source.enterprise.reg_capital IS '注册资本 | reg capital [万元]';

COMMENT ON COLUMN source.enterprise.address IS '住所 | address';

CREATE TABLE source.item (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    item_code TEXT,
    version BIGINT,
    item_name TEXT,
    kind TEXT,
    stage BIGINT,
    department TEXT,
    department_code TEXT,
    departments TEXT,
    catalog_code TEXT,
    task_code TEXT,
    case_channel TEXT,
    statutory_limit BIGINT,
    statutory_unit TEXT,
    promised_limit BIGINT,
    promised_unit TEXT,
    min_days BIGINT,
    project_type TEXT,
    variant TEXT,
    variants JSONB,
    prerequisites JSONB,
    soft_prerequisites JSONB,
    parallel_group TEXT,
    process_types JSONB,
    applies_when TEXT,
    multiple BOOLEAN,
    materials JSONB,
    result_document TEXT,
    certificate_type_code TEXT,
    aliases JSONB,
    valid_from DATE,
    valid_to DATE,
    CONSTRAINT item_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX item_item_code_version_ix ON source.item (item_code, version);

COMMENT ON TABLE source.item IS '事项（数源） | item as each source tells it, current versions that stand';

COMMENT ON COLUMN source.item.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.item.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.item.feed IS '数据流 | feed';

COMMENT ON COLUMN source.item.item_code IS '事项编码 | item code';

COMMENT ON COLUMN source.item.version IS '版本 | version';

COMMENT ON COLUMN source.item.item_name IS '事项名称 | item name';

COMMENT ON COLUMN source.item.kind IS '事项性质 | 政务服务事项, 政府内部事项';

COMMENT ON COLUMN source.item.stage IS '阶段 | stage';

COMMENT ON COLUMN source.item.department IS '牵头部门 | department';

COMMENT ON COLUMN source.item.department_code IS '牵头部门代码 | 统一社会信用代码';

COMMENT ON COLUMN source.item.departments IS '全部参与部门 | the lead first, separated by /';

COMMENT ON COLUMN source.item.catalog_code IS '基本编码 | catalog code';

COMMENT ON COLUMN source.item.task_code IS '实施编码 | task code';

COMMENT ON COLUMN source.item.case_channel IS '办件所在 | case channel';

COMMENT ON COLUMN source.item.statutory_limit IS '法定时限 | in statutory_unit; null = none';

COMMENT ON COLUMN source.item.statutory_unit IS '法定时限单位 | statutory unit';

COMMENT ON COLUMN source.item.promised_limit IS '承诺时限 | in promised_unit; 0 = the same day';

COMMENT ON COLUMN source.item.promised_unit IS '承诺时限单位 | promised unit';

COMMENT ON COLUMN source.item.min_days IS '公示公告下限 | min days [自然日]';

COMMENT ON COLUMN source.item.project_type IS '办件类型 | project type';

COMMENT ON COLUMN source.item.variant IS '本行时限所属情形 | variant';

COMMENT ON COLUMN source.item.variants IS '其他情形的时限 | array of {variant, project_type, statutory_limit, statutory_unit, promised_limit, promised_unit}';

COMMENT ON COLUMN source.item.prerequisites IS '前置事项 | array of item_code';

COMMENT ON COLUMN source.item.soft_prerequisites IS '可后补的前置 | array of item_code';

COMMENT ON COLUMN source.item.parallel_group IS '并联组 | parallel group';

COMMENT ON COLUMN source.item.process_types IS '适用的审批流程类型 | array of SPLCLX; empty = all';

COMMENT ON COLUMN source.item.applies_when IS '适用条件 | alternatives by |; null = always';

COMMENT ON COLUMN source.item.multiple IS '一项目可有多件 | multiple';

COMMENT ON COLUMN source.item.materials IS '申请材料 | array of {code, name, required, medium}';

COMMENT ON COLUMN source.item.result_document IS '结果文书 | result document';

COMMENT ON COLUMN source.item.certificate_type_code IS '结果的证照类型代码 | certificate type code';

COMMENT ON COLUMN source.item.aliases IS '别名编码 | array of text: SXBM, SPSXBM, task_code, certificate_type_code, former codes';

COMMENT ON COLUMN source.item.valid_from IS '生效日 | valid from';

COMMENT ON COLUMN source.item.valid_to IS '失效日 | last day in force is the day before; null = none';

CREATE TABLE source.land_approval (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    approval_no TEXT,
    project_code TEXT,
    project_name TEXT,
    organ TEXT,
    approved_at TIMESTAMP WITHOUT TIME ZONE,
    area NUMERIC(20, 6),
    land_user TEXT,
    geom BYTEA,
    geom_box box,
    CONSTRAINT land_approval_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX land_approval_approval_no_project_code_ix ON source.land_approval (approval_no, project_code);

CREATE INDEX land_approval_geom_box_ix ON source.land_approval USING gist (geom_box);

COMMENT ON TABLE source.land_approval IS '用地批复（数源） | land_approval as each source tells it, current versions that stand';

COMMENT ON COLUMN source.land_approval.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.land_approval.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.land_approval.feed IS '数据流 | feed';

COMMENT ON COLUMN source.land_approval.approval_no IS '批文号 | full-width brackets made half-width';

COMMENT ON COLUMN source.land_approval.project_code IS '项目代码 | may be empty for 批次用地: then by overlap with the red line';

COMMENT ON COLUMN source.land_approval.project_name IS '项目名称 | project name';

COMMENT ON COLUMN source.land_approval.organ IS '批准机关 | organ';

COMMENT ON COLUMN source.land_approval.approved_at IS '批准日期 | approved at';

COMMENT ON COLUMN source.land_approval.area IS '批准面积 | the file gives 公顷 [m²]';

COMMENT ON COLUMN source.land_approval.land_user IS '用地单位 | land user';

COMMENT ON COLUMN source.land_approval.geom IS '红线 | WKB, EPSG:4490, longitude first';

COMMENT ON COLUMN source.land_approval.geom_box IS '红线外接矩形 | bounding box, degrees';

CREATE TABLE source.licence (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    channel TEXT,
    kind TEXT,
    certificate_id TEXT,
    type_code TEXT,
    type_name TEXT,
    number TEXT,
    holder_name TEXT,
    holder_code TEXT,
    organ_name TEXT,
    organ_code TEXT,
    issued_at TIMESTAMP WITHOUT TIME ZONE,
    valid_from DATE,
    valid_to DATE,
    state TEXT,
    project_code TEXT,
    engineering_code TEXT,
    case_no TEXT,
    item_code TEXT,
    title TEXT,
    quotes_land TEXT,
    quotes_planning TEXT,
    quotes_drawing TEXT,
    quotes_tender TEXT,
    CONSTRAINT licence_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX licence_channel_case_no_ix ON source.licence (channel, case_no);

COMMENT ON TABLE source.licence IS '证照（数源） | licence as each source tells it, current versions that stand';

COMMENT ON COLUMN source.licence.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.licence.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.licence.feed IS '数据流 | feed';

COMMENT ON COLUMN source.licence.channel IS '来源系统 | channel';

COMMENT ON COLUMN source.licence.kind IS '类别 | licence 电子证照, approval 批复文件 (SPGL_XMSPSXPFWJXXB), permit 施工许可 (SPGL_JZGCSGXKXXB)';

COMMENT ON COLUMN source.licence.certificate_id IS '电子证照标识 | GB/T 36904-2018';

COMMENT ON COLUMN source.licence.type_code IS '证照类型代码 | an alias of the item';

COMMENT ON COLUMN source.licence.type_name IS '证照类型名称 | type name';

COMMENT ON COLUMN source.licence.number IS '证照编号 | certificate_number, PFWH, SGXKZBH; as written';

COMMENT ON COLUMN source.licence.holder_name IS '持证主体 | holder name';

COMMENT ON COLUMN source.licence.holder_code IS '持证主体代码 | holder code (personal data 个人信息)';

COMMENT ON COLUMN source.licence.organ_name IS '颁发机构 | organ name';

COMMENT ON COLUMN source.licence.organ_code IS '颁发机构代码 | organ code';

COMMENT ON COLUMN source.licence.issued_at IS '颁发日期 | issue_date, PFRQ, FZRQ';

COMMENT ON COLUMN source.licence.valid_from IS '有效期起 | valid from';

COMMENT ON COLUMN source.licence.valid_to IS '有效期止 | null = no end';

COMMENT ON COLUMN source.licence.state IS '状态 | state';

COMMENT ON COLUMN source.licence.project_code IS '项目代码 | source: as written; golden: as resolved';

COMMENT ON COLUMN source.licence.engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN source.licence.case_no IS '办件编号 | SPSXSLBM, where the row has it';

COMMENT ON COLUMN source.licence.item_code IS '事项编码 | golden: resolved by type_code, or by the case';

COMMENT ON COLUMN source.licence.title IS '标题 PFWJBT | title';

COMMENT ON COLUMN source.licence.quotes_land IS '所引用地规划许可证编号 YDGHXKZBH | quotes land';

COMMENT ON COLUMN source.licence.quotes_planning IS '所引工程规划许可证编号 GCGHXKZBH | quotes planning';

COMMENT ON COLUMN source.licence.quotes_drawing IS '所引施工图审查合格书编号 SCHGSBH | quotes drawing';

COMMENT ON COLUMN source.licence.quotes_tender IS '所引中标通知书编号 ZBTZSBH | quotes tender';

CREATE TABLE source.material (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    seq BIGINT,
    role TEXT,
    name TEXT,
    medium TEXT,
    form TEXT,
    file_type TEXT,
    reference TEXT,
    signature TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT material_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX material_channel_case_no_ix ON source.material (channel, case_no);

COMMENT ON TABLE source.material IS '材料（数源） | material as each source tells it, current versions that stand';

COMMENT ON COLUMN source.material.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.material.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.material.feed IS '数据流 | feed';

COMMENT ON COLUMN source.material.channel IS '来源系统 | channel';

COMMENT ON COLUMN source.material.case_no IS '办件编号 | case no';

COMMENT ON COLUMN source.material.seq IS '序号 | seq';

COMMENT ON COLUMN source.material.role IS '用途 | application 申办材料, result 审批结果, attachment 附件';

COMMENT ON COLUMN source.material.name IS '名称 | name';

COMMENT ON COLUMN source.material.medium IS '介质 | medium';

COMMENT ON COLUMN source.material.form IS '材料类型 | form';

COMMENT ON COLUMN source.material.file_type IS '文件类型 | file type';

COMMENT ON COLUMN source.material.reference IS '附件标识 | the source''s id or path; never fetched by itself';

COMMENT ON COLUMN source.material.signature IS '附件签名 | signature';

COMMENT ON COLUMN source.material.version IS '版本 | version';

COMMENT ON COLUMN source.material.inserted_at IS '入库时间 | inserted at';

CREATE TABLE source.national_task (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    task_guid TEXT,
    catalog_code TEXT,
    task_code TEXT,
    task_name TEXT,
    task_type TEXT,
    task_version BIGINT,
    task_state TEXT,
    department_code TEXT,
    department TEXT,
    statutory_limit BIGINT,
    statutory_unit TEXT,
    promised_limit BIGINT,
    promised_unit TEXT,
    project_type TEXT,
    valid_from DATE,
    valid_to DATE,
    CONSTRAINT national_task_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX national_task_task_guid_ix ON source.national_task (task_guid);

COMMENT ON TABLE source.national_task IS '国家事项实施清单（数源） | national_task as each source tells it, current versions that stand';

COMMENT ON COLUMN source.national_task.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.national_task.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.national_task.feed IS '数据流 | feed';

COMMENT ON COLUMN source.national_task.task_guid IS '行标识 | task guid';

COMMENT ON COLUMN source.national_task.catalog_code IS '基本编码 | catalog code';

COMMENT ON COLUMN source.national_task.task_code IS '实施编码 | task code';

COMMENT ON COLUMN source.national_task.task_name IS '事项名称 | task name';

COMMENT ON COLUMN source.national_task.task_type IS '事项类型 | task type';

COMMENT ON COLUMN source.national_task.task_version IS '事项版本 | task version';

COMMENT ON COLUMN source.national_task.task_state IS '事项状态 | task state';

COMMENT ON COLUMN source.national_task.department_code IS '实施主体编码 | department code';

COMMENT ON COLUMN source.national_task.department IS '实施主体名称 | department';

COMMENT ON COLUMN source.national_task.statutory_limit IS '法定办结时限 | statutory limit';

COMMENT ON COLUMN source.national_task.statutory_unit IS '法定时限单位 | statutory unit';

COMMENT ON COLUMN source.national_task.promised_limit IS '承诺办结时限 | promised limit';

COMMENT ON COLUMN source.national_task.promised_unit IS '承诺时限单位 | promised unit';

COMMENT ON COLUMN source.national_task.project_type IS '办件类型 | project type';

COMMENT ON COLUMN source.national_task.valid_from IS '计划生效日期 | valid from';

COMMENT ON COLUMN source.national_task.valid_to IS '计划取消日期 | valid to';

CREATE TABLE source.parcel (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    parcel_code TEXT,
    right_holder TEXT,
    project_code TEXT,
    area NUMERIC(20, 6),
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    CONSTRAINT parcel_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX parcel_parcel_code_ix ON source.parcel (parcel_code);

CREATE INDEX parcel_geom_box_ix ON source.parcel USING gist (geom_box);

COMMENT ON TABLE source.parcel IS '宗地（数源） | parcel as each source tells it, current versions that stand';

COMMENT ON COLUMN source.parcel.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.parcel.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.parcel.feed IS '数据流 | feed';

COMMENT ON COLUMN source.parcel.parcel_code IS '宗地代码 ZDDM | GB/T 37346-2019, 19 characters';

COMMENT ON COLUMN source.parcel.right_holder IS '权利人 QLR | right holder (personal data 个人信息)';

COMMENT ON COLUMN source.parcel.project_code IS '项目代码 | project code';

COMMENT ON COLUMN source.parcel.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN source.parcel.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN source.parcel.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN source.parcel.geom_box IS '范围外接矩形 | bounding box, degrees';

CREATE TABLE source.project (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    project_code TEXT,
    project_name TEXT,
    filing_type TEXT,
    project_type TEXT,
    process_type TEXT,
    applicant_name TEXT,
    applicant_uscc TEXT,
    place TEXT,
    scope TEXT,
    filing_organ TEXT,
    total_invest NUMERIC(20, 6),
    industry_code TEXT,
    planned_start DATE,
    planned_end DATE,
    submitted_at TIMESTAMP WITHOUT TIME ZONE,
    finished_at TIMESTAMP WITHOUT TIME ZONE,
    filing_date DATE,
    expires_at TIMESTAMP WITHOUT TIME ZONE,
    validity TEXT,
    filing_state TEXT,
    town_code TEXT,
    town_name TEXT,
    agent TEXT,
    fast_track BOOLEAN,
    conditions JSONB,
    planned_items JSONB,
    longitude NUMERIC(20, 6),
    latitude NUMERIC(20, 6),
    land_area NUMERIC(20, 6),
    floor_area NUMERIC(20, 6),
    CONSTRAINT project_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX project_project_code_ix ON source.project (project_code);

COMMENT ON TABLE source.project IS '项目（数源） | project as each source tells it, current versions that stand';

COMMENT ON COLUMN source.project.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.project.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.project.feed IS '数据流 | feed';

COMMENT ON COLUMN source.project.project_code IS '项目代码 | 24 characters, GB/T 40058-2021; old form of 2015–2020 has no check digit';

COMMENT ON COLUMN source.project.project_name IS '项目名称 | project name';

COMMENT ON COLUMN source.project.filing_type IS '立项类型 | 备案, 核准, 审批';

COMMENT ON COLUMN source.project.project_type IS '项目类型 | free text of the provincial platform';

COMMENT ON COLUMN source.project.process_type IS '审批流程类型 SPLCLX | process type';

COMMENT ON COLUMN source.project.applicant_name IS '项目单位 | applicant name';

COMMENT ON COLUMN source.project.applicant_uscc IS '项目单位统一社会信用代码 | GB 32100-2015';

COMMENT ON COLUMN source.project.place IS '建设地点 | place';

COMMENT ON COLUMN source.project.scope IS '建设规模及内容 | scope';

COMMENT ON COLUMN source.project.filing_organ IS '备案机关 | filing organ';

COMMENT ON COLUMN source.project.total_invest IS '总投资 | total invest [万元]';

COMMENT ON COLUMN source.project.industry_code IS '国标行业 | GB/T 4754-2017 小类, with its letter: C3973';

COMMENT ON COLUMN source.project.planned_start IS '拟开工时间 | planned start';

COMMENT ON COLUMN source.project.planned_end IS '拟建成时间 | planned end';

COMMENT ON COLUMN source.project.submitted_at IS '申报时间 submitDate | submitted at';

COMMENT ON COLUMN source.project.finished_at IS '备案办结时间 finishDate | finished at';

COMMENT ON COLUMN source.project.filing_date IS '备案日期 filingDate | filing date';

COMMENT ON COLUMN source.project.expires_at IS '有效期至 expiryDate | expires at';

COMMENT ON COLUMN source.project.validity IS '是否有效 isValidity | 有效, 无效';

COMMENT ON COLUMN source.project.filing_state IS '备案状态 stateFlagName | filing state';

COMMENT ON COLUMN source.project.town_code IS '镇街代码 | 9 digits';

COMMENT ON COLUMN source.project.town_name IS '镇街 | town name';

COMMENT ON COLUMN source.project.agent IS '代办员 | agent (personal data 个人信息)';

COMMENT ON COLUMN source.project.fast_track IS '拿地即开工/容缺/告知承诺 | fast track';

COMMENT ON COLUMN source.project.conditions IS '项目条件 | array of text, values of an item''s applies_when; null = unknown';

COMMENT ON COLUMN source.project.planned_items IS '计划办理事项 | array of item_code; null = unknown';

COMMENT ON COLUMN source.project.longitude IS '经度 | as the source gives it; the datum is checked against the red line [degree]';

COMMENT ON COLUMN source.project.latitude IS '纬度 | latitude [degree]';

COMMENT ON COLUMN source.project.land_area IS '用地面积 | land area [m²]';

COMMENT ON COLUMN source.project.floor_area IS '建筑面积 | floor area [m²]';

CREATE TABLE source.redline (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    redline_code TEXT,
    project_code TEXT,
    project_name TEXT,
    area NUMERIC(20, 6),
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    CONSTRAINT redline_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX redline_geom_box_ix ON source.redline USING gist (geom_box);

CREATE INDEX redline_redline_code_ix ON source.redline (redline_code);

COMMENT ON TABLE source.redline IS '用地红线（数源） | redline as each source tells it, current versions that stand';

COMMENT ON COLUMN source.redline.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.redline.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.redline.feed IS '数据流 | feed';

COMMENT ON COLUMN source.redline.redline_code IS '红线编号 HXBH | redline code';

COMMENT ON COLUMN source.redline.project_code IS '项目代码 | project code';

COMMENT ON COLUMN source.redline.project_name IS '项目名称 | project name';

COMMENT ON COLUMN source.redline.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN source.redline.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN source.redline.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN source.redline.geom_box IS '范围外接矩形 | bounding box, degrees';

CREATE TABLE source.scene (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    collection TEXT,
    scene_id TEXT,
    taken_at TIMESTAMP WITHOUT TIME ZONE,
    taken_from TIMESTAMP WITHOUT TIME ZONE,
    taken_until TIMESTAMP WITHOUT TIME ZONE,
    cloud_cover NUMERIC(20, 6),
    gsd NUMERIC(20, 6),
    platform TEXT,
    project_code TEXT,
    assets JSONB,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    CONSTRAINT scene_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX scene_collection_scene_id_ix ON source.scene (collection, scene_id);

CREATE INDEX scene_geom_box_ix ON source.scene USING gist (geom_box);

COMMENT ON TABLE source.scene IS '影像（数源） | scene as each source tells it, current versions that stand';

COMMENT ON COLUMN source.scene.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.scene.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.scene.feed IS '数据流 | feed';

COMMENT ON COLUMN source.scene.collection IS '影像集 | satellite, uav';

COMMENT ON COLUMN source.scene.scene_id IS '影像编号 | scene id';

COMMENT ON COLUMN source.scene.taken_at IS '拍摄时间 | local time';

COMMENT ON COLUMN source.scene.taken_from IS '拍摄开始 | taken from';

COMMENT ON COLUMN source.scene.taken_until IS '拍摄结束 | taken until';

COMMENT ON COLUMN source.scene.cloud_cover IS '云量 | cloud cover [%]';

COMMENT ON COLUMN source.scene.gsd IS '地面分辨率 | gsd [m]';

COMMENT ON COLUMN source.scene.platform IS '平台 | platform';

COMMENT ON COLUMN source.scene.project_code IS '项目代码 | project code';

COMMENT ON COLUMN source.scene.assets IS '资源 | {name: href without its query}';

COMMENT ON COLUMN source.scene.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN source.scene.geom IS '覆盖范围 | WKB, EPSG:4490, longitude first';

COMMENT ON COLUMN source.scene.geom_box IS '覆盖范围外接矩形 | bounding box, degrees';

CREATE TABLE source.site_reading (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    project_code TEXT,
    device TEXT,
    kind TEXT,
    read_at TIMESTAMP WITHOUT TIME ZONE,
    value NUMERIC(20, 6),
    via TEXT,
    CONSTRAINT site_reading_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX site_reading_project_code_device_kind_read_at_ix ON source.site_reading (project_code, device, kind, read_at);

COMMENT ON TABLE source.site_reading IS '工地读数（数源） | site_reading as each source tells it, current versions that stand';

COMMENT ON COLUMN source.site_reading.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.site_reading.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.site_reading.feed IS '数据流 | feed';

COMMENT ON COLUMN source.site_reading.project_code IS '项目代码 | project code';

COMMENT ON COLUMN source.site_reading.device IS '设备 | device';

COMMENT ON COLUMN source.site_reading.kind IS '类别 | power kWh, gate 次, crane 次, dust µg/m³';

COMMENT ON COLUMN source.site_reading.read_at IS '时间 | local time with milliseconds';

COMMENT ON COLUMN source.site_reading.value IS '读数 | value';

COMMENT ON COLUMN source.site_reading.via IS '途径 | http, mqtt: http wins';

CREATE TABLE source.special_procedure (
    record_id BIGINT NOT NULL,
    ord INTEGER NOT NULL,
    feed TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    kind TEXT,
    name TEXT,
    reason TEXT,
    approver TEXT,
    started_at TIMESTAMP WITHOUT TIME ZONE,
    ended_at TIMESTAMP WITHOUT TIME ZONE,
    limit_days BIGINT,
    limit_unit TEXT,
    result TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT special_procedure_pk PRIMARY KEY (record_id, ord)
);

CREATE INDEX special_procedure_channel_case_no_ix ON source.special_procedure (channel, case_no);

COMMENT ON TABLE source.special_procedure IS '特别程序（数源） | special_procedure as each source tells it, current versions that stand';

COMMENT ON COLUMN source.special_procedure.record_id IS '记录 | source.record';

COMMENT ON COLUMN source.special_procedure.ord IS '序号 | which of the rows that the record maps to';

COMMENT ON COLUMN source.special_procedure.feed IS '数据流 | feed';

COMMENT ON COLUMN source.special_procedure.channel IS '来源系统 | channel';

COMMENT ON COLUMN source.special_procedure.case_no IS '办件编号 | case no';

COMMENT ON COLUMN source.special_procedure.kind IS '种类 | kind';

COMMENT ON COLUMN source.special_procedure.name IS '名称 | name';

COMMENT ON COLUMN source.special_procedure.reason IS '启动理由 | reason';

COMMENT ON COLUMN source.special_procedure.approver IS '批准人 | approver (personal data 个人信息)';

COMMENT ON COLUMN source.special_procedure.started_at IS '开始时间 | started at';

COMMENT ON COLUMN source.special_procedure.ended_at IS '结束时间 | where the row itself carries it (P3)';

COMMENT ON COLUMN source.special_procedure.limit_days IS '时限 | limit days';

COMMENT ON COLUMN source.special_procedure.limit_unit IS '时限单位 | limit unit';

COMMENT ON COLUMN source.special_procedure.result IS '结果 | result';

COMMENT ON COLUMN source.special_procedure.version IS '版本 | version';

COMMENT ON COLUMN source.special_procedure.inserted_at IS '入库时间 | inserted at';

CREATE TABLE store."case" (
    id TEXT NOT NULL,
    channel TEXT,
    part TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    case_no TEXT,
    municipal_no TEXT,
    department_no TEXT,
    prior_case_no TEXT,
    receipt_no TEXT,
    project_code TEXT,
    engineering_code TEXT,
    project_name TEXT,
    item_code TEXT,
    item_name TEXT,
    variant TEXT,
    applicant_type TEXT,
    applicant_name TEXT,
    applicant_id TEXT,
    contact_name TEXT,
    contact_phone TEXT,
    intake_channel TEXT,
    intake_origin TEXT,
    town_code TEXT,
    department_name TEXT,
    department_code TEXT,
    submitted_at TIMESTAMP WITHOUT TIME ZONE,
    accept_state TEXT,
    accepted_at TIMESTAMP WITHOUT TIME ZONE,
    refuse_reason TEXT,
    concluded_at TIMESTAMP WITHOUT TIME ZONE,
    result TEXT,
    result_raw TEXT,
    result_text TEXT,
    licence_no TEXT,
    licence_issued_at TIMESTAMP WITHOUT TIME ZONE,
    limit_days BIGINT,
    promise_date TIMESTAMP WITHOUT TIME ZONE,
    commitment BOOLEAN,
    channels TEXT[],
    item_code_written TEXT,
    project_code_written TEXT,
    project_link TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT case_pk PRIMARY KEY (id)
);

CREATE INDEX case_case_no_ix ON store."case" (case_no);

CREATE INDEX case_engineering_code_ix ON store."case" (engineering_code);

CREATE INDEX case_project_code_ix ON store."case" (project_code);

CREATE INDEX case_item_code_ix ON store."case" (item_code);

COMMENT ON TABLE store."case" IS '办件 | An approval case, or what one system knows of it. Source rows are one a system''s record (several records may speak of one case: M2 SB, SL, BJ and every VERSION of each); the identity step joins them, the fold makes one golden row. Golden rows.';

COMMENT ON COLUMN store."case".id IS '编号 | case_id, joined by | where there are several';

COMMENT ON COLUMN store."case".channel IS '来源系统 | M2, D1, D3, D4, D5, P1, P2, P3: whose number case_no is';

COMMENT ON COLUMN store."case".part IS '分表 | which part of the case the record is: SB, SL, BJ, CASE, LOG, ACCEPT, RESULT, FILING, APPROVAL';

COMMENT ON COLUMN store."case".version IS '版本 | VERSION where the source counts corrections, else null';

COMMENT ON COLUMN store."case".inserted_at IS '入库时间 | INSERTTIME, INSERTIME; the other sources'' update time';

COMMENT ON COLUMN store."case".case_no IS '办件编号 | the channel''s own: M2 SBLSH_SHORT, D1/D4 YWLSH, D3 SPSXSLBM, P3 project_no, D5 申办流水号 else 文号, P1 id, P2 批文号';

COMMENT ON COLUMN store."case".municipal_no IS '省统一申办流水号 SBLSH_SHORT | where the record states it as such (M2, D1, D4)';

COMMENT ON COLUMN store."case".department_no IS '业务流水号 YWLSH | where the record states it as such (M2 SL, D1, D4)';

COMMENT ON COLUMN store."case".prior_case_no IS '原申办流水号 YSBLSH | prior case no';

COMMENT ON COLUMN store."case".receipt_no IS '申办流水号 SBLSH | the long number; YSBLSH may quote it';

COMMENT ON COLUMN store."case".project_code IS '项目代码 | source: as written; golden: as resolved';

COMMENT ON COLUMN store."case".engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN store."case".project_name IS '申办项目名称 SBXMMC | project name';

COMMENT ON COLUMN store."case".item_code IS '事项编码 | source: SXBM, SPSXBM, task_code … as written; golden: the catalogue''s item_code, null when unknown';

COMMENT ON COLUMN store."case".item_name IS '事项名称 | item name';

COMMENT ON COLUMN store."case".variant IS '情形 | SXQXBM, YWQX';

COMMENT ON COLUMN store."case".applicant_type IS '申请人类型 | applicant type';

COMMENT ON COLUMN store."case".applicant_name IS '申请人名称 | applicant name';

COMMENT ON COLUMN store."case".applicant_id IS '申请人证件号码 | USCC of an enterprise or organ, or a person''s ID number (personal data 个人信息)';

COMMENT ON COLUMN store."case".contact_name IS '联系人姓名 | contact name (personal data 个人信息)';

COMMENT ON COLUMN store."case".contact_phone IS '联系人手机 | contact phone (personal data 个人信息)';

COMMENT ON COLUMN store."case".intake_channel IS '申办渠道 WSSBQD | intake channel';

COMMENT ON COLUMN store."case".intake_origin IS '数据来源 SJLY | 1 统一受理, 2 部门自建';

COMMENT ON COLUMN store."case".town_code IS '区划代码 | XZQHDM, GXDXZQHDM: 6 or 9 digits and more';

COMMENT ON COLUMN store."case".department_name IS '办理部门 | department name';

COMMENT ON COLUMN store."case".department_code IS '办理部门代码 | as written: 18 or 9 characters';

COMMENT ON COLUMN store."case".submitted_at IS '接件时间 | SBSJ, apply_date, submitDate';

COMMENT ON COLUMN store."case".accept_state IS '受理状态 SLZTDM | accept state';

COMMENT ON COLUMN store."case".accepted_at IS '受理时间 | SLSJ (whatever the state), accept_date';

COMMENT ON COLUMN store."case".refuse_reason IS '不受理原因 | refuse reason';

COMMENT ON COLUMN store."case".concluded_at IS '办结时间 | BJSJ, result_date, finishDate';

COMMENT ON COLUMN store."case".result IS '办理结果 | canonical: DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED';

COMMENT ON COLUMN store."case".result_raw IS '原结果代码 | BJJGDM, result_type, stateFlagName';

COMMENT ON COLUMN store."case".result_text IS '结果描述 | result text';

COMMENT ON COLUMN store."case".licence_no IS '证件编号 | ZJBH, result_cetr_no, 文号';

COMMENT ON COLUMN store."case".licence_issued_at IS '发证时间 FZSJ | licence issued at';

COMMENT ON COLUMN store."case".limit_days IS '办件自带时限 SXBLSX | an issue when it differs from the catalogue; never a limit';

COMMENT ON COLUMN store."case".promise_date IS '承诺办结时间 promise_date | promise date';

COMMENT ON COLUMN store."case".commitment IS '告知承诺 SXGZCNZSPQK | commitment';

COMMENT ON COLUMN store."case".channels IS '全部来源系统 | every channel that knows the case';

COMMENT ON COLUMN store."case".item_code_written IS '事项编码（原文） | item code as written';

COMMENT ON COLUMN store."case".project_code_written IS '项目代码（原文） | project code as written';

COMMENT ON COLUMN store."case".project_link IS '项目关联方式 | written, engineering, crosswalk, identity; null: unlinked';

COMMENT ON COLUMN store."case".provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store."case".content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store."case".changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store."case".gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.case_event (
    id TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    event TEXT,
    at TIMESTAMP WITHOUT TIME ZONE,
    until TIMESTAMP WITHOUT TIME ZONE,
    raw_code TEXT,
    series TEXT,
    series_key TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    step_code TEXT,
    step_name TEXT,
    department_name TEXT,
    department_code TEXT,
    handler TEXT,
    opinion TEXT,
    origin TEXT,
    pause_kind TEXT,
    limit_days BIGINT,
    limit_unit TEXT,
    case_id TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT case_event_pk PRIMARY KEY (id)
);

CREATE INDEX case_event_case_no_ix ON store.case_event (case_no);

CREATE INDEX case_event_case_id_ix ON store.case_event (case_id);

COMMENT ON TABLE store.case_event IS '办件事件 | What happened to a case and when. Every source row is kept, corrections and repetitions too; supervision reads the timeline out of them (rules.md). A stamp at 00:00:00 is a date only. Golden rows.';

COMMENT ON COLUMN store.case_event.id IS '编号 | event_id, joined by | where there are several';

COMMENT ON COLUMN store.case_event.channel IS '来源系统 | channel';

COMMENT ON COLUMN store.case_event.case_no IS '办件编号 | as in case';

COMMENT ON COLUMN store.case_event.event IS '事件 | SUBMITTED, ACCEPTED, REJECTED_INTAKE, SUPPLEMENT_ASKED, SUPPLEMENT_START, SUPPLEMENT_END, HANDLING, CONSULTED, SPECIAL_START, SPECIAL_END, DONE_OK, DONE_TOLERANT, DONE_FAIL, DONE_RETURNED, WITHDRAWN, REVOKED, VOIDED, DELETED, TRANSFERRED, LAPSED';

COMMENT ON COLUMN store.case_event.at IS '时间 | at';

COMMENT ON COLUMN store.case_event.until IS '结束时间 | where the row itself carries an end (P3 process, P3 special procedure)';

COMMENT ON COLUMN store.case_event.raw_code IS '原代码 | BLZT, SLZTDM, BJJGDM, SPHJZTDM, event_name';

COMMENT ON COLUMN store.case_event.series IS '序列 | SB, SL, SPCL, BZGZ, TBCXSQ, TBCXJG, BJ, LOG, TBCX, SPHJ, CASE, ACCEPT, PROCESS, RESULT, SPECIAL, FILING, APPROVAL, SHEET';

COMMENT ON COLUMN store.case_event.series_key IS '序列键 | the source''s key without VERSION: rows of one (channel, series, series_key) correct each other by version';

COMMENT ON COLUMN store.case_event.version IS '版本 | version';

COMMENT ON COLUMN store.case_event.inserted_at IS '入库时间 | inserted at';

COMMENT ON COLUMN store.case_event.step_code IS '环节代码 | step code';

COMMENT ON COLUMN store.case_event.step_name IS '环节名称 | step name';

COMMENT ON COLUMN store.case_event.department_name IS '办理部门 | department name';

COMMENT ON COLUMN store.case_event.department_code IS '办理部门代码 | department code';

COMMENT ON COLUMN store.case_event.handler IS '办理人 | handler (personal data 个人信息)';

COMMENT ON COLUMN store.case_event.opinion IS '意见 | opinion';

COMMENT ON COLUMN store.case_event.origin IS '数据来源 SJLY | origin';

COMMENT ON COLUMN store.case_event.pause_kind IS '特别程序种类 | A 延长, B 法定情形; of SPECIAL_START';

COMMENT ON COLUMN store.case_event.limit_days IS '特别程序时限 | of SPECIAL_START, in limit_unit; null or 0 = none';

COMMENT ON COLUMN store.case_event.limit_unit IS '时限单位 | limit unit';

COMMENT ON COLUMN store.case_event.case_id IS '办件 | store.case';

COMMENT ON COLUMN store.case_event.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.case_event.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.case_event.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.case_event.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.change_polygon (
    id TEXT NOT NULL,
    polygon_code TEXT,
    district_code TEXT,
    district_name TEXT,
    change_type TEXT,
    feature TEXT,
    seen_before DATE,
    seen_after DATE,
    area NUMERIC(20, 6),
    on_farmland BOOLEAN,
    on_redline BOOLEAN,
    geom BYTEA,
    geom_box box,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT change_polygon_pk PRIMARY KEY (id)
);

CREATE INDEX change_polygon_geom_box_ix ON store.change_polygon USING gist (geom_box);

COMMENT ON TABLE store.change_polygon IS '变化图斑 | A change seen between two images (S2). Golden rows.';

COMMENT ON COLUMN store.change_polygon.id IS '编号 | polygon_code, joined by | where there are several';

COMMENT ON COLUMN store.change_polygon.polygon_code IS '监测图斑编号 JCBH | polygon code';

COMMENT ON COLUMN store.change_polygon.district_code IS '行政区代码 XZQDM | district code';

COMMENT ON COLUMN store.change_polygon.district_name IS '县名 XMC | district name';

COMMENT ON COLUMN store.change_polygon.change_type IS '图斑类型 TBLX | change type';

COMMENT ON COLUMN store.change_polygon.feature IS '图斑特征 TZ | feature';

COMMENT ON COLUMN store.change_polygon.seen_before IS '前时相 QSX | yyyyMM: the last day of the month';

COMMENT ON COLUMN store.change_polygon.seen_after IS '后时相 HSX | yyyyMM: the last day of the month';

COMMENT ON COLUMN store.change_polygon.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN store.change_polygon.on_farmland IS '是否永农 SFYN | on farmland';

COMMENT ON COLUMN store.change_polygon.on_redline IS '是否红线 SFHX | on redline';

COMMENT ON COLUMN store.change_polygon.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN store.change_polygon.geom_box IS '范围外接矩形 | bounding box, degrees';

COMMENT ON COLUMN store.change_polygon.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.change_polygon.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.change_polygon.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.change_polygon.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.engineering (
    id TEXT NOT NULL,
    engineering_code TEXT,
    project_code TEXT,
    project_name TEXT,
    scope TEXT,
    prior_code TEXT,
    dialect TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT engineering_pk PRIMARY KEY (id)
);

CREATE INDEX engineering_engineering_code_ix ON store.engineering (engineering_code);

CREATE INDEX engineering_project_code_ix ON store.engineering (project_code);

COMMENT ON TABLE store.engineering IS '工程 | A construction work (工程) of a project; D3''s rows join by its code. A project has one or more. Golden rows.';

COMMENT ON COLUMN store.engineering.id IS '编号 | engineering_code, joined by | where there are several';

COMMENT ON COLUMN store.engineering.engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN store.engineering.project_code IS '项目代码 XMDM | project code';

COMMENT ON COLUMN store.engineering.project_name IS '项目名称 | project name';

COMMENT ON COLUMN store.engineering.scope IS '工程范围 GCFW | scope';

COMMENT ON COLUMN store.engineering.prior_code IS '前阶段关联工程代码 QJDGCDM | prior code';

COMMENT ON COLUMN store.engineering.dialect IS '数据标准版本 | 2.0 or 3.0';

COMMENT ON COLUMN store.engineering.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.engineering.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.engineering.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.engineering.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.enterprise (
    id TEXT NOT NULL,
    uscc TEXT,
    name TEXT,
    legal_person TEXT,
    reg_status TEXT,
    reg_date DATE,
    industry_code TEXT,
    reg_capital NUMERIC(20, 6),
    address TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT enterprise_pk PRIMARY KEY (id)
);

COMMENT ON TABLE store.enterprise IS '企业 | A legal person of the provincial register (法人库). Golden rows.';

COMMENT ON COLUMN store.enterprise.id IS '编号 | uscc, joined by | where there are several';

COMMENT ON COLUMN store.enterprise.uscc IS '统一社会信用代码 | GB 32100-2015';

COMMENT ON COLUMN store.enterprise.name IS '名称 | name';

COMMENT ON COLUMN store.enterprise.legal_person IS '法定代表人 | legal person (personal data 个人信息)';

COMMENT ON COLUMN store.enterprise.reg_status IS '登记状态 | reg status';

COMMENT ON COLUMN store.enterprise.reg_date IS '成立日期 | reg date';

COMMENT ON COLUMN store.enterprise.industry_code IS '国标行业 | industry code';

COMMENT ON COLUMN store.enterprise.reg_capital IS '注册资本 | reg capital [万元]';

COMMENT ON COLUMN store.enterprise.address IS '住所 | address';

COMMENT ON COLUMN store.enterprise.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.enterprise.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.enterprise.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.enterprise.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.item (
    id TEXT NOT NULL,
    item_code TEXT,
    version BIGINT,
    item_name TEXT,
    kind TEXT,
    stage BIGINT,
    department TEXT,
    department_code TEXT,
    departments TEXT,
    catalog_code TEXT,
    task_code TEXT,
    case_channel TEXT,
    statutory_limit BIGINT,
    statutory_unit TEXT,
    promised_limit BIGINT,
    promised_unit TEXT,
    min_days BIGINT,
    project_type TEXT,
    variant TEXT,
    variants JSONB,
    prerequisites JSONB,
    soft_prerequisites JSONB,
    parallel_group TEXT,
    process_types JSONB,
    applies_when TEXT,
    multiple BOOLEAN,
    materials JSONB,
    result_document TEXT,
    certificate_type_code TEXT,
    aliases JSONB,
    valid_from DATE,
    valid_to DATE,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT item_pk PRIMARY KEY (id)
);

CREATE INDEX item_item_code_ix ON store.item (item_code);

COMMENT ON TABLE store.item IS '事项 | A version of an item of the catalogue (事项清单); never deleted, it gets an end date. Golden rows.';

COMMENT ON COLUMN store.item.id IS '编号 | item_code+version, joined by | where there are several';

COMMENT ON COLUMN store.item.item_code IS '事项编码 | item code';

COMMENT ON COLUMN store.item.version IS '版本 | version';

COMMENT ON COLUMN store.item.item_name IS '事项名称 | item name';

COMMENT ON COLUMN store.item.kind IS '事项性质 | 政务服务事项, 政府内部事项';

COMMENT ON COLUMN store.item.stage IS '阶段 | stage';

COMMENT ON COLUMN store.item.department IS '牵头部门 | department';

COMMENT ON COLUMN store.item.department_code IS '牵头部门代码 | 统一社会信用代码';

COMMENT ON COLUMN store.item.departments IS '全部参与部门 | the lead first, separated by /';

COMMENT ON COLUMN store.item.catalog_code IS '基本编码 | catalog code';

COMMENT ON COLUMN store.item.task_code IS '实施编码 | task code';

COMMENT ON COLUMN store.item.case_channel IS '办件所在 | case channel';

COMMENT ON COLUMN store.item.statutory_limit IS '法定时限 | in statutory_unit; null = none';

COMMENT ON COLUMN store.item.statutory_unit IS '法定时限单位 | statutory unit';

COMMENT ON COLUMN store.item.promised_limit IS '承诺时限 | in promised_unit; 0 = the same day';

COMMENT ON COLUMN store.item.promised_unit IS '承诺时限单位 | promised unit';

COMMENT ON COLUMN store.item.min_days IS '公示公告下限 | min days [自然日]';

COMMENT ON COLUMN store.item.project_type IS '办件类型 | project type';

COMMENT ON COLUMN store.item.variant IS '本行时限所属情形 | variant';

COMMENT ON COLUMN store.item.variants IS '其他情形的时限 | array of {variant, project_type, statutory_limit, statutory_unit, promised_limit, promised_unit}';

COMMENT ON COLUMN store.item.prerequisites IS '前置事项 | array of item_code';

COMMENT ON COLUMN store.item.soft_prerequisites IS '可后补的前置 | array of item_code';

COMMENT ON COLUMN store.item.parallel_group IS '并联组 | parallel group';

COMMENT ON COLUMN store.item.process_types IS '适用的审批流程类型 | array of SPLCLX; empty = all';

COMMENT ON COLUMN store.item.applies_when IS '适用条件 | alternatives by |; null = always';

COMMENT ON COLUMN store.item.multiple IS '一项目可有多件 | multiple';

COMMENT ON COLUMN store.item.materials IS '申请材料 | array of {code, name, required, medium}';

COMMENT ON COLUMN store.item.result_document IS '结果文书 | result document';

COMMENT ON COLUMN store.item.certificate_type_code IS '结果的证照类型代码 | certificate type code';

COMMENT ON COLUMN store.item.aliases IS '别名编码 | array of text: SXBM, SPSXBM, task_code, certificate_type_code, former codes';

COMMENT ON COLUMN store.item.valid_from IS '生效日 | valid from';

COMMENT ON COLUMN store.item.valid_to IS '失效日 | last day in force is the day before; null = none';

COMMENT ON COLUMN store.item.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.item.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.item.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.item.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.land_approval (
    id TEXT NOT NULL,
    approval_no TEXT,
    project_code TEXT,
    project_name TEXT,
    organ TEXT,
    approved_at TIMESTAMP WITHOUT TIME ZONE,
    area NUMERIC(20, 6),
    land_user TEXT,
    geom BYTEA,
    geom_box box,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT land_approval_pk PRIMARY KEY (id)
);

CREATE INDEX land_approval_project_code_ix ON store.land_approval (project_code);

CREATE INDEX land_approval_geom_box_ix ON store.land_approval USING gist (geom_box);

COMMENT ON TABLE store.land_approval IS '用地批复 | An approval document for land (P2), one row a (document, project). Golden rows.';

COMMENT ON COLUMN store.land_approval.id IS '编号 | approval_no+project_code, joined by | where there are several';

COMMENT ON COLUMN store.land_approval.approval_no IS '批文号 | full-width brackets made half-width';

COMMENT ON COLUMN store.land_approval.project_code IS '项目代码 | may be empty for 批次用地: then by overlap with the red line';

COMMENT ON COLUMN store.land_approval.project_name IS '项目名称 | project name';

COMMENT ON COLUMN store.land_approval.organ IS '批准机关 | organ';

COMMENT ON COLUMN store.land_approval.approved_at IS '批准日期 | approved at';

COMMENT ON COLUMN store.land_approval.area IS '批准面积 | the file gives 公顷 [m²]';

COMMENT ON COLUMN store.land_approval.land_user IS '用地单位 | land user';

COMMENT ON COLUMN store.land_approval.geom IS '红线 | WKB, EPSG:4490, longitude first';

COMMENT ON COLUMN store.land_approval.geom_box IS '红线外接矩形 | bounding box, degrees';

COMMENT ON COLUMN store.land_approval.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.land_approval.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.land_approval.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.land_approval.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.licence (
    id TEXT NOT NULL,
    channel TEXT,
    kind TEXT,
    certificate_id TEXT,
    type_code TEXT,
    type_name TEXT,
    number TEXT,
    holder_name TEXT,
    holder_code TEXT,
    organ_name TEXT,
    organ_code TEXT,
    issued_at TIMESTAMP WITHOUT TIME ZONE,
    valid_from DATE,
    valid_to DATE,
    state TEXT,
    project_code TEXT,
    engineering_code TEXT,
    case_no TEXT,
    item_code TEXT,
    title TEXT,
    quotes_land TEXT,
    quotes_planning TEXT,
    quotes_drawing TEXT,
    quotes_tender TEXT,
    case_id TEXT,
    item_code_written TEXT,
    project_code_written TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT licence_pk PRIMARY KEY (id)
);

CREATE INDEX licence_case_no_ix ON store.licence (case_no);

CREATE INDEX licence_project_code_ix ON store.licence (project_code);

CREATE INDEX licence_number_ix ON store.licence (number);

CREATE INDEX licence_engineering_code_ix ON store.licence (engineering_code);

CREATE INDEX licence_case_id_ix ON store.licence (case_id);

CREATE INDEX licence_item_code_ix ON store.licence (item_code);

COMMENT ON TABLE store.licence IS '证照 | A licence or approval document, from a directory (P1, P3) or a department''s own table (D3). Golden rows.';

COMMENT ON COLUMN store.licence.id IS '编号 | licence_id, joined by | where there are several';

COMMENT ON COLUMN store.licence.channel IS '来源系统 | channel';

COMMENT ON COLUMN store.licence.kind IS '类别 | licence 电子证照, approval 批复文件 (SPGL_XMSPSXPFWJXXB), permit 施工许可 (SPGL_JZGCSGXKXXB)';

COMMENT ON COLUMN store.licence.certificate_id IS '电子证照标识 | GB/T 36904-2018';

COMMENT ON COLUMN store.licence.type_code IS '证照类型代码 | an alias of the item';

COMMENT ON COLUMN store.licence.type_name IS '证照类型名称 | type name';

COMMENT ON COLUMN store.licence.number IS '证照编号 | certificate_number, PFWH, SGXKZBH; as written';

COMMENT ON COLUMN store.licence.holder_name IS '持证主体 | holder name';

COMMENT ON COLUMN store.licence.holder_code IS '持证主体代码 | holder code (personal data 个人信息)';

COMMENT ON COLUMN store.licence.organ_name IS '颁发机构 | organ name';

COMMENT ON COLUMN store.licence.organ_code IS '颁发机构代码 | organ code';

COMMENT ON COLUMN store.licence.issued_at IS '颁发日期 | issue_date, PFRQ, FZRQ';

COMMENT ON COLUMN store.licence.valid_from IS '有效期起 | valid from';

COMMENT ON COLUMN store.licence.valid_to IS '有效期止 | null = no end';

COMMENT ON COLUMN store.licence.state IS '状态 | state';

COMMENT ON COLUMN store.licence.project_code IS '项目代码 | source: as written; golden: as resolved';

COMMENT ON COLUMN store.licence.engineering_code IS '工程代码 GCDM | engineering code';

COMMENT ON COLUMN store.licence.case_no IS '办件编号 | SPSXSLBM, where the row has it';

COMMENT ON COLUMN store.licence.item_code IS '事项编码 | golden: resolved by type_code, or by the case';

COMMENT ON COLUMN store.licence.title IS '标题 PFWJBT | title';

COMMENT ON COLUMN store.licence.quotes_land IS '所引用地规划许可证编号 YDGHXKZBH | quotes land';

COMMENT ON COLUMN store.licence.quotes_planning IS '所引工程规划许可证编号 GCGHXKZBH | quotes planning';

COMMENT ON COLUMN store.licence.quotes_drawing IS '所引施工图审查合格书编号 SCHGSBH | quotes drawing';

COMMENT ON COLUMN store.licence.quotes_tender IS '所引中标通知书编号 ZBTZSBH | quotes tender';

COMMENT ON COLUMN store.licence.case_id IS '办件 | store.case';

COMMENT ON COLUMN store.licence.item_code_written IS '事项编码（原文） | item code as written';

COMMENT ON COLUMN store.licence.project_code_written IS '项目代码（原文） | project code as written';

COMMENT ON COLUMN store.licence.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.licence.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.licence.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.licence.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.material (
    id TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    seq BIGINT,
    role TEXT,
    name TEXT,
    medium TEXT,
    form TEXT,
    file_type TEXT,
    reference TEXT,
    signature TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    case_id TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT material_pk PRIMARY KEY (id)
);

CREATE INDEX material_case_no_ix ON store.material (case_no);

CREATE INDEX material_case_id_ix ON store.material (case_id);

COMMENT ON TABLE store.material IS '材料 | A document handed in with a case, or its result''s attachment. Metadata only. Golden rows.';

COMMENT ON COLUMN store.material.id IS '编号 | material_id, joined by | where there are several';

COMMENT ON COLUMN store.material.channel IS '来源系统 | channel';

COMMENT ON COLUMN store.material.case_no IS '办件编号 | case no';

COMMENT ON COLUMN store.material.seq IS '序号 | seq';

COMMENT ON COLUMN store.material.role IS '用途 | application 申办材料, result 审批结果, attachment 附件';

COMMENT ON COLUMN store.material.name IS '名称 | name';

COMMENT ON COLUMN store.material.medium IS '介质 | medium';

COMMENT ON COLUMN store.material.form IS '材料类型 | form';

COMMENT ON COLUMN store.material.file_type IS '文件类型 | file type';

COMMENT ON COLUMN store.material.reference IS '附件标识 | the source''s id or path; never fetched by itself';

COMMENT ON COLUMN store.material.signature IS '附件签名 | signature';

COMMENT ON COLUMN store.material.version IS '版本 | version';

COMMENT ON COLUMN store.material.inserted_at IS '入库时间 | inserted at';

COMMENT ON COLUMN store.material.case_id IS '办件 | store.case';

COMMENT ON COLUMN store.material.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.material.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.material.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.material.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.national_task (
    id TEXT NOT NULL,
    task_guid TEXT,
    catalog_code TEXT,
    task_code TEXT,
    task_name TEXT,
    task_type TEXT,
    task_version BIGINT,
    task_state TEXT,
    department_code TEXT,
    department TEXT,
    statutory_limit BIGINT,
    statutory_unit TEXT,
    promised_limit BIGINT,
    promised_unit TEXT,
    project_type TEXT,
    valid_from DATE,
    valid_to DATE,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT national_task_pk PRIMARY KEY (id)
);

COMMENT ON TABLE store.national_task IS '国家事项实施清单 | up_task_general_basic of the national front-end database; compared with the catalogue, never its source. Golden rows.';

COMMENT ON COLUMN store.national_task.id IS '编号 | task_guid, joined by | where there are several';

COMMENT ON COLUMN store.national_task.task_guid IS '行标识 | task guid';

COMMENT ON COLUMN store.national_task.catalog_code IS '基本编码 | catalog code';

COMMENT ON COLUMN store.national_task.task_code IS '实施编码 | task code';

COMMENT ON COLUMN store.national_task.task_name IS '事项名称 | task name';

COMMENT ON COLUMN store.national_task.task_type IS '事项类型 | task type';

COMMENT ON COLUMN store.national_task.task_version IS '事项版本 | task version';

COMMENT ON COLUMN store.national_task.task_state IS '事项状态 | task state';

COMMENT ON COLUMN store.national_task.department_code IS '实施主体编码 | department code';

COMMENT ON COLUMN store.national_task.department IS '实施主体名称 | department';

COMMENT ON COLUMN store.national_task.statutory_limit IS '法定办结时限 | statutory limit';

COMMENT ON COLUMN store.national_task.statutory_unit IS '法定时限单位 | statutory unit';

COMMENT ON COLUMN store.national_task.promised_limit IS '承诺办结时限 | promised limit';

COMMENT ON COLUMN store.national_task.promised_unit IS '承诺时限单位 | promised unit';

COMMENT ON COLUMN store.national_task.project_type IS '办件类型 | project type';

COMMENT ON COLUMN store.national_task.valid_from IS '计划生效日期 | valid from';

COMMENT ON COLUMN store.national_task.valid_to IS '计划取消日期 | valid to';

COMMENT ON COLUMN store.national_task.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.national_task.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.national_task.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.national_task.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.parcel (
    id TEXT NOT NULL,
    parcel_code TEXT,
    right_holder TEXT,
    project_code TEXT,
    area NUMERIC(20, 6),
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT parcel_pk PRIMARY KEY (id)
);

CREATE INDEX parcel_geom_box_ix ON store.parcel USING gist (geom_box);

CREATE INDEX parcel_project_code_ix ON store.parcel (project_code);

COMMENT ON TABLE store.parcel IS '宗地 | A cadastral parcel (S1). Golden rows.';

COMMENT ON COLUMN store.parcel.id IS '编号 | parcel_code, joined by | where there are several';

COMMENT ON COLUMN store.parcel.parcel_code IS '宗地代码 ZDDM | GB/T 37346-2019, 19 characters';

COMMENT ON COLUMN store.parcel.right_holder IS '权利人 QLR | right holder (personal data 个人信息)';

COMMENT ON COLUMN store.parcel.project_code IS '项目代码 | project code';

COMMENT ON COLUMN store.parcel.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN store.parcel.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN store.parcel.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN store.parcel.geom_box IS '范围外接矩形 | bounding box, degrees';

COMMENT ON COLUMN store.parcel.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.parcel.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.parcel.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.parcel.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.project (
    id TEXT NOT NULL,
    project_code TEXT,
    project_name TEXT,
    filing_type TEXT,
    project_type TEXT,
    process_type TEXT,
    applicant_name TEXT,
    applicant_uscc TEXT,
    place TEXT,
    scope TEXT,
    filing_organ TEXT,
    total_invest NUMERIC(20, 6),
    industry_code TEXT,
    planned_start DATE,
    planned_end DATE,
    submitted_at TIMESTAMP WITHOUT TIME ZONE,
    finished_at TIMESTAMP WITHOUT TIME ZONE,
    filing_date DATE,
    expires_at TIMESTAMP WITHOUT TIME ZONE,
    validity TEXT,
    filing_state TEXT,
    town_code TEXT,
    town_name TEXT,
    agent TEXT,
    fast_track BOOLEAN,
    conditions JSONB,
    planned_items JSONB,
    longitude NUMERIC(20, 6),
    latitude NUMERIC(20, 6),
    land_area NUMERIC(20, 6),
    floor_area NUMERIC(20, 6),
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT project_pk PRIMARY KEY (id)
);

CREATE INDEX project_project_code_ix ON store.project (project_code);

COMMENT ON TABLE store.project IS '项目 | An investment project, from the first talks to production. 投资项目, 一项目一代码. Golden rows.';

COMMENT ON COLUMN store.project.id IS '编号 | project_code, joined by | where there are several';

COMMENT ON COLUMN store.project.project_code IS '项目代码 | 24 characters, GB/T 40058-2021; old form of 2015–2020 has no check digit';

COMMENT ON COLUMN store.project.project_name IS '项目名称 | project name';

COMMENT ON COLUMN store.project.filing_type IS '立项类型 | 备案, 核准, 审批';

COMMENT ON COLUMN store.project.project_type IS '项目类型 | free text of the provincial platform';

COMMENT ON COLUMN store.project.process_type IS '审批流程类型 SPLCLX | process type';

COMMENT ON COLUMN store.project.applicant_name IS '项目单位 | applicant name';

COMMENT ON COLUMN store.project.applicant_uscc IS '项目单位统一社会信用代码 | GB 32100-2015';

COMMENT ON COLUMN store.project.place IS '建设地点 | place';

COMMENT ON COLUMN store.project.scope IS '建设规模及内容 | scope';

COMMENT ON COLUMN store.project.filing_organ IS '备案机关 | filing organ';

COMMENT ON COLUMN store.project.total_invest IS '总投资 | total invest [万元]';

COMMENT ON COLUMN store.project.industry_code IS '国标行业 | GB/T 4754-2017 小类, with its letter: C3973';

COMMENT ON COLUMN store.project.planned_start IS '拟开工时间 | planned start';

COMMENT ON COLUMN store.project.planned_end IS '拟建成时间 | planned end';

COMMENT ON COLUMN store.project.submitted_at IS '申报时间 submitDate | submitted at';

COMMENT ON COLUMN store.project.finished_at IS '备案办结时间 finishDate | finished at';

COMMENT ON COLUMN store.project.filing_date IS '备案日期 filingDate | filing date';

COMMENT ON COLUMN store.project.expires_at IS '有效期至 expiryDate | expires at';

COMMENT ON COLUMN store.project.validity IS '是否有效 isValidity | 有效, 无效';

COMMENT ON COLUMN store.project.filing_state IS '备案状态 stateFlagName | filing state';

COMMENT ON COLUMN store.project.town_code IS '镇街代码 | 9 digits';

COMMENT ON COLUMN store.project.town_name IS '镇街 | town name';

COMMENT ON COLUMN store.project.agent IS '代办员 | agent (personal data 个人信息)';

COMMENT ON COLUMN store.project.fast_track IS '拿地即开工/容缺/告知承诺 | fast track';

COMMENT ON COLUMN store.project.conditions IS '项目条件 | array of text, values of an item''s applies_when; null = unknown';

COMMENT ON COLUMN store.project.planned_items IS '计划办理事项 | array of item_code; null = unknown';

COMMENT ON COLUMN store.project.longitude IS '经度 | as the source gives it; the datum is checked against the red line [degree]';

COMMENT ON COLUMN store.project.latitude IS '纬度 | latitude [degree]';

COMMENT ON COLUMN store.project.land_area IS '用地面积 | land area [m²]';

COMMENT ON COLUMN store.project.floor_area IS '建筑面积 | floor area [m²]';

COMMENT ON COLUMN store.project.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.project.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.project.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.project.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.redline (
    id TEXT NOT NULL,
    redline_code TEXT,
    project_code TEXT,
    project_name TEXT,
    area NUMERIC(20, 6),
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT redline_pk PRIMARY KEY (id)
);

CREATE INDEX redline_geom_box_ix ON store.redline USING gist (geom_box);

CREATE INDEX redline_project_code_ix ON store.redline (project_code);

COMMENT ON TABLE store.redline IS '用地红线 | The boundary that a project may build in, from the land department (S1). Golden rows.';

COMMENT ON COLUMN store.redline.id IS '编号 | redline_code, joined by | where there are several';

COMMENT ON COLUMN store.redline.redline_code IS '红线编号 HXBH | redline code';

COMMENT ON COLUMN store.redline.project_code IS '项目代码 | project code';

COMMENT ON COLUMN store.redline.project_name IS '项目名称 | project name';

COMMENT ON COLUMN store.redline.area IS '面积 MJ | area [m²]';

COMMENT ON COLUMN store.redline.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN store.redline.geom IS '范围 | WKB MultiPolygon, EPSG:4490, longitude first';

COMMENT ON COLUMN store.redline.geom_box IS '范围外接矩形 | bounding box, degrees';

COMMENT ON COLUMN store.redline.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.redline.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.redline.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.redline.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.scene (
    id TEXT NOT NULL,
    collection TEXT,
    scene_id TEXT,
    taken_at TIMESTAMP WITHOUT TIME ZONE,
    taken_from TIMESTAMP WITHOUT TIME ZONE,
    taken_until TIMESTAMP WITHOUT TIME ZONE,
    cloud_cover NUMERIC(20, 6),
    gsd NUMERIC(20, 6),
    platform TEXT,
    project_code TEXT,
    assets JSONB,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    geom BYTEA,
    geom_box box,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT scene_pk PRIMARY KEY (id)
);

CREATE INDEX scene_project_code_ix ON store.scene (project_code);

CREATE INDEX scene_geom_box_ix ON store.scene USING gist (geom_box);

COMMENT ON TABLE store.scene IS '影像 | Metadata of an image (S3, STAC 1.0). Golden rows.';

COMMENT ON COLUMN store.scene.id IS '编号 | collection+scene_id, joined by | where there are several';

COMMENT ON COLUMN store.scene.collection IS '影像集 | satellite, uav';

COMMENT ON COLUMN store.scene.scene_id IS '影像编号 | scene id';

COMMENT ON COLUMN store.scene.taken_at IS '拍摄时间 | local time';

COMMENT ON COLUMN store.scene.taken_from IS '拍摄开始 | taken from';

COMMENT ON COLUMN store.scene.taken_until IS '拍摄结束 | taken until';

COMMENT ON COLUMN store.scene.cloud_cover IS '云量 | cloud cover [%]';

COMMENT ON COLUMN store.scene.gsd IS '地面分辨率 | gsd [m]';

COMMENT ON COLUMN store.scene.platform IS '平台 | platform';

COMMENT ON COLUMN store.scene.project_code IS '项目代码 | project code';

COMMENT ON COLUMN store.scene.assets IS '资源 | {name: href without its query}';

COMMENT ON COLUMN store.scene.updated_at IS '更新时间 | updated at';

COMMENT ON COLUMN store.scene.geom IS '覆盖范围 | WKB, EPSG:4490, longitude first';

COMMENT ON COLUMN store.scene.geom_box IS '覆盖范围外接矩形 | bounding box, degrees';

COMMENT ON COLUMN store.scene.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.scene.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.scene.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.scene.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.site_reading (
    id TEXT NOT NULL,
    project_code TEXT,
    device TEXT,
    kind TEXT,
    read_at TIMESTAMP WITHOUT TIME ZONE,
    value NUMERIC(20, 6),
    via TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT site_reading_pk PRIMARY KEY (id)
);

CREATE INDEX site_reading_project_code_ix ON store.site_reading (project_code);

COMMENT ON TABLE store.site_reading IS '工地读数 | A reading of a site device (S4). Golden rows.';

COMMENT ON COLUMN store.site_reading.id IS '编号 | project_code+device+kind+read_at, joined by | where there are several';

COMMENT ON COLUMN store.site_reading.project_code IS '项目代码 | project code';

COMMENT ON COLUMN store.site_reading.device IS '设备 | device';

COMMENT ON COLUMN store.site_reading.kind IS '类别 | power kWh, gate 次, crane 次, dust µg/m³';

COMMENT ON COLUMN store.site_reading.read_at IS '时间 | local time with milliseconds';

COMMENT ON COLUMN store.site_reading.value IS '读数 | value';

COMMENT ON COLUMN store.site_reading.via IS '途径 | http, mqtt: http wins';

COMMENT ON COLUMN store.site_reading.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.site_reading.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.site_reading.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.site_reading.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE store.special_procedure (
    id TEXT NOT NULL,
    channel TEXT,
    case_no TEXT,
    kind TEXT,
    name TEXT,
    reason TEXT,
    approver TEXT,
    started_at TIMESTAMP WITHOUT TIME ZONE,
    ended_at TIMESTAMP WITHOUT TIME ZONE,
    limit_days BIGINT,
    limit_unit TEXT,
    result TEXT,
    version BIGINT,
    inserted_at TIMESTAMP WITHOUT TIME ZONE,
    case_id TEXT,
    provenance JSONB DEFAULT '{}' NOT NULL,
    content_hash BYTEA NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT special_procedure_pk PRIMARY KEY (id)
);

CREATE INDEX special_procedure_case_id_ix ON store.special_procedure (case_id);

CREATE INDEX special_procedure_case_no_ix ON store.special_procedure (case_no);

COMMENT ON TABLE store.special_procedure IS '特别程序 | A special procedure of a case, one row a start; its start also stands in case_event. Golden rows.';

COMMENT ON COLUMN store.special_procedure.id IS '编号 | special_id, joined by | where there are several';

COMMENT ON COLUMN store.special_procedure.channel IS '来源系统 | channel';

COMMENT ON COLUMN store.special_procedure.case_no IS '办件编号 | case no';

COMMENT ON COLUMN store.special_procedure.kind IS '种类 | kind';

COMMENT ON COLUMN store.special_procedure.name IS '名称 | name';

COMMENT ON COLUMN store.special_procedure.reason IS '启动理由 | reason';

COMMENT ON COLUMN store.special_procedure.approver IS '批准人 | approver (personal data 个人信息)';

COMMENT ON COLUMN store.special_procedure.started_at IS '开始时间 | started at';

COMMENT ON COLUMN store.special_procedure.ended_at IS '结束时间 | where the row itself carries it (P3)';

COMMENT ON COLUMN store.special_procedure.limit_days IS '时限 | limit days';

COMMENT ON COLUMN store.special_procedure.limit_unit IS '时限单位 | limit unit';

COMMENT ON COLUMN store.special_procedure.result IS '结果 | result';

COMMENT ON COLUMN store.special_procedure.version IS '版本 | version';

COMMENT ON COLUMN store.special_procedure.inserted_at IS '入库时间 | inserted at';

COMMENT ON COLUMN store.special_procedure.case_id IS '办件 | store.case';

COMMENT ON COLUMN store.special_procedure.provenance IS '字段来源 | column -> feed and record key';

COMMENT ON COLUMN store.special_procedure.content_hash IS '内容摘要 | SHA-256 of the columns above';

COMMENT ON COLUMN store.special_procedure.changed_at IS '变更时间 | when the content last changed';

COMMENT ON COLUMN store.special_procedure.gone_at IS '注销时间 | since when no source holds it; null: it stands';

CREATE TABLE landing.receipt (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    run_id BIGINT NOT NULL,
    source TEXT NOT NULL,
    feed TEXT NOT NULL,
    window_start TIMESTAMP WITHOUT TIME ZONE,
    window_end TIMESTAMP WITHOUT TIME ZONE,
    window_full BOOLEAN NOT NULL,
    request JSONB NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    started_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    facts JSONB NOT NULL,
    signature TEXT,
    scopes TEXT[],
    archived_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    dropped_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT receipt_pk PRIMARY KEY (id),
    CONSTRAINT receipt_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id)
);

CREATE INDEX receipt_run_id_ix ON landing.receipt (run_id);

CREATE INDEX receipt_sha256_ix ON landing.receipt (sha256);

CREATE INDEX receipt_feed_id_ix ON landing.receipt (feed, id);

COMMENT ON TABLE landing.receipt IS '回执：一份归档的报文 | one archived payload';

COMMENT ON COLUMN landing.receipt.id IS '回执号 | receipt; grows with the time of receipt';

COMMENT ON COLUMN landing.receipt.run_id IS '批次 | run';

COMMENT ON COLUMN landing.receipt.source IS '数源 | source';

COMMENT ON COLUMN landing.receipt.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.receipt.window_start IS '窗口起 | start of the window';

COMMENT ON COLUMN landing.receipt.window_end IS '窗口止 | end of the window';

COMMENT ON COLUMN landing.receipt.window_full IS '是否全量 | the whole listing was asked for';

COMMENT ON COLUMN landing.receipt.request IS '请求 | what was asked, without secrets';

COMMENT ON COLUMN landing.receipt.sha256 IS '报文摘要 | SHA-256 of the bytes; their name in the archive';

COMMENT ON COLUMN landing.receipt.size IS '大小 | bytes as received';

COMMENT ON COLUMN landing.receipt.media_type IS '媒体类型 | media type';

COMMENT ON COLUMN landing.receipt.started_at IS '请求时间 | when it was asked, local time';

COMMENT ON COLUMN landing.receipt.finished_at IS '收到时间 | when it was there, local time';

COMMENT ON COLUMN landing.receipt.facts IS '报文要素 | what the wire said: page, total, file name, etag';

COMMENT ON COLUMN landing.receipt.signature IS '验签结论 | verdict on the answer''s signature, where it has one';

COMMENT ON COLUMN landing.receipt.scopes IS '替换范围 | parts that it stands for wholly (docs/architecture.md, Replacement)';

COMMENT ON COLUMN landing.receipt.archived_at IS '归档时间 | when the bytes were safe';

COMMENT ON COLUMN landing.receipt.dropped_at IS '清理时间 | when the bytes left the archive at the end of their keeping';

CREATE TABLE landing.completed (
    feed TEXT NOT NULL,
    intervals TSMULTIRANGE DEFAULT '{}' NOT NULL,
    full_at TIMESTAMP WITHOUT TIME ZONE,
    read_at TIMESTAMP WITHOUT TIME ZONE,
    run_id BIGINT,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT completed_pk PRIMARY KEY (feed),
    CONSTRAINT completed_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id)
);

COMMENT ON TABLE landing.completed IS '已完成区间 | completed intervals of each feed';

COMMENT ON COLUMN landing.completed.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.completed.intervals IS '已完成区间 | what was read in full, as a set of half-open intervals';

COMMENT ON COLUMN landing.completed.full_at IS '最近全量时间 | start of the latest complete full listing, local time';

COMMENT ON COLUMN landing.completed.read_at IS '读至 | up to when the source was last read in full, local time; freshness is judged by it';

COMMENT ON COLUMN landing.completed.run_id IS '批次 | the run that said so last';

COMMENT ON COLUMN landing.completed.updated_at IS '更新时间 | updated';

CREATE TABLE landing.feed_state (
    feed TEXT NOT NULL,
    state JSONB NOT NULL,
    run_id BIGINT,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT feed_state_pk PRIMARY KEY (feed),
    CONSTRAINT feed_state_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id)
);

COMMENT ON TABLE landing.feed_state IS '数据流状态 | state of each feed''s connector';

COMMENT ON COLUMN landing.feed_state.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.feed_state.state IS '连接器状态 | the connector''s own, given to its next fetch';

COMMENT ON COLUMN landing.feed_state.run_id IS '批次 | run';

COMMENT ON COLUMN landing.feed_state.updated_at IS '更新时间 | updated';

CREATE TABLE landing.issue (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    duty TEXT NOT NULL,
    feed TEXT NOT NULL,
    record TEXT,
    field TEXT,
    detail TEXT DEFAULT '' NOT NULL,
    fingerprint BYTEA NOT NULL,
    run_id BIGINT,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    count BIGINT DEFAULT '1' NOT NULL,
    CONSTRAINT issue_pk PRIMARY KEY (id),
    CONSTRAINT issue_feed_fingerprint_uq UNIQUE (feed, fingerprint),
    CONSTRAINT issue_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id)
);

CREATE INDEX issue_feed_code_ix ON landing.issue (feed, code);

COMMENT ON TABLE landing.issue IS '问题：应告知而不阻断的情形 | what is to be told though it stopped nothing';

COMMENT ON COLUMN landing.issue.id IS '问题号 | issue';

COMMENT ON COLUMN landing.issue.code IS '问题代码 | as in quality/issues.yaml';

COMMENT ON COLUMN landing.issue.severity IS '严重程度 | info, warning, error';

COMMENT ON COLUMN landing.issue.duty IS '责任归属 | whose duty';

COMMENT ON COLUMN landing.issue.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.issue.record IS '记录键 | record';

COMMENT ON COLUMN landing.issue.field IS '字段 | field';

COMMENT ON COLUMN landing.issue.detail IS '详情 | detail';

COMMENT ON COLUMN landing.issue.fingerprint IS '指纹 | SHA-256 of code, record, field, detail';

COMMENT ON COLUMN landing.issue.run_id IS '批次 | the latest run that saw it';

COMMENT ON COLUMN landing.issue.first_seen_at IS '首次出现 | first seen';

COMMENT ON COLUMN landing.issue.last_seen_at IS '最近出现 | last seen';

COMMENT ON COLUMN landing.issue.count IS '次数 | how often';

CREATE TABLE landing.hold (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    feed TEXT NOT NULL,
    run_id BIGINT NOT NULL,
    would_delete BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    sample JSONB NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    decision TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    note TEXT,
    used_by BIGINT,
    CONSTRAINT hold_pk PRIMARY KEY (id),
    CONSTRAINT hold_decision_ck CHECK (decision in ('released', 'refused', 'lapsed')),
    CONSTRAINT hold_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id),
    CONSTRAINT hold_used_by_fk FOREIGN KEY(used_by) REFERENCES landing.run (id)
);

CREATE INDEX hold_feed_ix ON landing.hold (feed);

COMMENT ON TABLE landing.hold IS '待决：大批注销须经人工确认 | mass deletions that wait for a person';

COMMENT ON COLUMN landing.hold.id IS '待决号 | hold';

COMMENT ON COLUMN landing.hold.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.hold.run_id IS '批次 | the run that was held';

COMMENT ON COLUMN landing.hold.would_delete IS '拟注销数 | records that would be deleted';

COMMENT ON COLUMN landing.hold.stored IS '在库数 | records of the feed that stood at the time';

COMMENT ON COLUMN landing.hold.sample IS '样例 | some of their keys';

COMMENT ON COLUMN landing.hold.opened_at IS '提请时间 | opened';

COMMENT ON COLUMN landing.hold.decision IS '决定 | released, refused, lapsed (the data no longer ask for it); null: waiting';

COMMENT ON COLUMN landing.hold.decided_at IS '决定时间 | decided';

COMMENT ON COLUMN landing.hold.decided_by IS '决定人 | who decided';

COMMENT ON COLUMN landing.hold.note IS '理由 | why';

COMMENT ON COLUMN landing.hold.used_by IS '执行批次 | the run that deleted under this release';

CREATE TABLE landing.reconciliation (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    feed TEXT NOT NULL,
    run_id BIGINT,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT NOT NULL,
    complete BOOLEAN NOT NULL,
    claimed BIGINT,
    listed BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    missing BIGINT NOT NULL,
    different BIGINT NOT NULL,
    extra BIGINT NOT NULL,
    detail JSONB NOT NULL,
    CONSTRAINT reconciliation_pk PRIMARY KEY (id),
    CONSTRAINT reconciliation_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id)
);

CREATE INDEX reconciliation_feed_ix ON landing.reconciliation (feed);

COMMENT ON TABLE landing.reconciliation IS '对账：与来源清单逐键核对 | comparison of the store with a source''s complete listing';

COMMENT ON COLUMN landing.reconciliation.id IS '对账号 | reconciliation';

COMMENT ON COLUMN landing.reconciliation.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.reconciliation.run_id IS '批次 | the run that read the listing and merged what was missing';

COMMENT ON COLUMN landing.reconciliation.started_at IS '开始时间 | started';

COMMENT ON COLUMN landing.reconciliation.ended_at IS '结束时间 | ended';

COMMENT ON COLUMN landing.reconciliation.outcome IS '结论 | equal, mended, different, failed';

COMMENT ON COLUMN landing.reconciliation.complete IS '清单是否完整 | the listing was complete';

COMMENT ON COLUMN landing.reconciliation.claimed IS '来源声称条数 | what the source says it has';

COMMENT ON COLUMN landing.reconciliation.listed IS '清单键数 | distinct keys in the listing';

COMMENT ON COLUMN landing.reconciliation.stored IS '在库键数 | live records before';

COMMENT ON COLUMN landing.reconciliation.missing IS '缺少 | in the listing, not in the store: merged late';

COMMENT ON COLUMN landing.reconciliation.different IS '内容不同 | in both, another content: merged late';

COMMENT ON COLUMN landing.reconciliation.extra IS '多出 | in the store, not in the listing';

COMMENT ON COLUMN landing.reconciliation.detail IS '详情 | some keys of each kind';

CREATE TABLE landing.quarantine (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    feed TEXT NOT NULL,
    record_key TEXT,
    fingerprint BYTEA NOT NULL,
    raw JSONB,
    run_id BIGINT NOT NULL,
    receipt_id BIGINT,
    place TEXT,
    scope TEXT,
    source_time TIMESTAMP WITHOUT TIME ZONE,
    reasons JSONB NOT NULL,
    mapping_version INTEGER,
    state TEXT DEFAULT 'open' NOT NULL,
    seen INTEGER DEFAULT '1' NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    note TEXT,
    CONSTRAINT quarantine_pk PRIMARY KEY (id),
    CONSTRAINT quarantine_state_ck CHECK (state in ('open', 'redriven', 'dismissed', 'superseded')),
    CONSTRAINT quarantine_feed_fingerprint_uq UNIQUE (feed, fingerprint),
    CONSTRAINT quarantine_run_id_fk FOREIGN KEY(run_id) REFERENCES landing.run (id),
    CONSTRAINT quarantine_receipt_id_fk FOREIGN KEY(receipt_id) REFERENCES landing.receipt (id)
);

CREATE INDEX quarantine_run_id_ix ON landing.quarantine (run_id);

CREATE INDEX quarantine_open_key_ix ON landing.quarantine (feed, record_key) WHERE state = 'open';

COMMENT ON TABLE landing.quarantine IS '隔离区：被拒收的行及全部原因 | rejected rows with every reason';

COMMENT ON COLUMN landing.quarantine.id IS '隔离号 | entry';

COMMENT ON COLUMN landing.quarantine.feed IS '数据流 | feed';

COMMENT ON COLUMN landing.quarantine.record_key IS '记录键 | key of the record, where it could be read';

COMMENT ON COLUMN landing.quarantine.fingerprint IS '指纹 | SHA-256 of key and row: the same row said again is one entry';

COMMENT ON COLUMN landing.quarantine.raw IS '原始行 | the row as decoded: an object; or the text that could not be decoded';

COMMENT ON COLUMN landing.quarantine.run_id IS '批次 | the latest run that rejected it';

COMMENT ON COLUMN landing.quarantine.receipt_id IS '回执 | receipt';

COMMENT ON COLUMN landing.quarantine.place IS '位置 | where in the payload';

COMMENT ON COLUMN landing.quarantine.scope IS '替换范围 | the part of the payload that said it, where parts are sent again wholly';

COMMENT ON COLUMN landing.quarantine.source_time IS '来源时间 | business time of the version, where it could be read';

COMMENT ON COLUMN landing.quarantine.reasons IS '原因 | every reason: [{code, field, message, value}]';

COMMENT ON COLUMN landing.quarantine.mapping_version IS '映射版本 | version of the mapping';

COMMENT ON COLUMN landing.quarantine.state IS '状态 | open, redriven, dismissed, superseded';

COMMENT ON COLUMN landing.quarantine.seen IS '出现次数 | how many runs rejected it';

COMMENT ON COLUMN landing.quarantine.opened_at IS '隔离时间 | first rejected';

COMMENT ON COLUMN landing.quarantine.seen_at IS '最近出现 | last rejected';

COMMENT ON COLUMN landing.quarantine.closed_at IS '关闭时间 | closed';

COMMENT ON COLUMN landing.quarantine.closed_by IS '关闭人 | who closed it: a person, or the run that did';

COMMENT ON COLUMN landing.quarantine.note IS '说明 | why it was closed';
