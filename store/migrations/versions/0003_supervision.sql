create schema if not exists supervision;
comment on schema supervision is '督办区：时钟、阶段、发现、工单 | what follows from the store: clocks, stages, findings, work orders';

create table supervision.run (
    id bigint generated always as identity primary key,
    as_of date not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    change_seq bigint not null,
    whole boolean not null,
    projects bigint not null default 0,
    cases bigint not null default 0,
    opened bigint not null default 0,
    reopened bigint not null default 0,
    closed bigint not null default 0,
    not_judged jsonb not null default '{}'
);
comment on table supervision.run is '督办批次：一次判定 | one judging of some projects, or of the whole city';
comment on column supervision.run.as_of is '判定日 | the day asked about';
comment on column supervision.run.change_seq is '变更流位置 | everything up to this place of store.change was seen';
comment on column supervision.run.whole is '是否全市 | the whole city was judged';
comment on column supervision.run.not_judged is '未判定数：规则 -> 条数 | findings that wait for data, by rule';

create table supervision.clock (
    case_id text primary key,
    case_no text not null,
    project_code text,
    item_code text,
    as_of date not null,
    received_at timestamp,
    accepted_at timestamp,
    acceptance_on date,
    deemed boolean,
    ended_at timestamp,
    end_event text,
    used_promised bigint,
    used_statutory bigint,
    due_promised date,
    due_statutory date,
    promised_limit bigint,
    promised_unit text,
    statutory_limit bigint,
    statutory_unit text,
    paused boolean,
    suspended boolean,
    provisional boolean,
    light text
);
create index clock_project_ix on supervision.clock (project_code);
create index clock_light_ix on supervision.clock (light) where light in ('红', '双红', '黄');
comment on table supervision.clock is '办件时钟 | the clock of every case as of the day last judged';
comment on column supervision.clock.acceptance_on is '起算日（受理日，或视为受理日）| the day that the clock starts';
comment on column supervision.clock.deemed is '视为受理 | deemed accepted: no decision within 5 working days';
comment on column supervision.clock.suspended is '暂停中：到期日随暂停顺延 | the due dates stand on a pause without an end';
comment on column supervision.clock.provisional is '暂估：含节假日未公布的日子 | uses a day past the last official notice';
comment on column supervision.clock.light is '灯：灰 双红 红 蓝 黄 绿 | light; null: no limit, or not accepted yet';

create table supervision.stage_state (
    project_code text not null,
    stage integer not null,
    stage_name text not null,
    state text not null,
    completed_at timestamp,
    as_of date not null,
    primary key (project_code, stage)
);
comment on table supervision.stage_state is '项目阶段状态 | state of each stage of each project: 完成, 进行, 未开始, 不适用';

create table supervision.position (
    project_code text primary key,
    current_stage integer,
    finished boolean not null,
    current_items jsonb not null,
    as_of date not null
);
comment on table supervision.position is '一键定位：项目当前阶段、当前事项、轮到谁 | where a project stands and whose turn it is';
comment on column supervision.position.current_items is '当前事项：[{item_code, item_name, stage, turn, department, department_code, open}]';

create table supervision.finding (
    id text primary key,
    rule text not null,
    project_code text not null,
    item_code text not null,
    case_no text not null,
    case_id text,
    level text,
    kind text,
    severity smallint not null,
    department_code text,
    department_name text,
    text text not null,
    evidence jsonb not null,
    evidence_hash bytea not null,
    state text not null default 'open' check (state in ('open', 'confirmed', 'lifted', 'closed')),
    opened_on date not null,
    opened_at timestamptz not null default now(),
    closed_on date,
    closed_at timestamptz,
    judged_on date not null,
    decided_by text,
    decided_at timestamptz,
    decision_note text,
    unique (rule, project_code, item_code, case_no)
);
create index finding_project_ix on supervision.finding (project_code);
create index finding_case_ix on supervision.finding (case_no) where case_no <> '';
create index finding_open_ix on supervision.finding (department_code, rule) where state in ('open', 'confirmed');
comment on table supervision.finding is '发现：每个（规则、项目、事项、办件）一条 | one finding a key (rule, project, item, case)';
comment on column supervision.finding.id is '编号，由键算出，重跑不变 | computed from the key: the same in every run';
comment on column supervision.finding.evidence is '证据行：[{row, source}] | golden rows and the source rows behind them';
comment on column supervision.finding.evidence_hash is '证据摘要：误报只在证据变化后才重开 | a lifted finding opens again only when this changes';
comment on column supervision.finding.state is '状态：open 疑似待核, confirmed 已确认, lifted 误报, closed 已消除';

create table supervision.finding_event (
    seq bigint generated always as identity primary key,
    finding_id text not null references supervision.finding (id),
    at timestamptz not null default clock_timestamp(),
    as_of date not null,
    event text not null,
    by text not null,
    why text
);
create index finding_event_finding_ix on supervision.finding_event (finding_id, seq);
comment on table supervision.finding_event is '发现的履历：只增不改 | the life of a finding; append-only';
comment on column supervision.finding_event.event is 'opened 出现, reopened 再现, level 级别变化, confirmed 确认, lifted 误报, closed 消除';

create table supervision.waiting (
    rule text not null,
    project_code text not null,
    item_code text not null,
    case_no text not null,
    waits_for text[] not null,
    text text not null,
    as_of date not null,
    primary key (rule, project_code, item_code, case_no)
);
comment on table supervision.waiting is '未判定：所需数据未到齐 | not judged, waiting for the feeds named';

create function supervision.only_appended() returns trigger language plpgsql as
$$ begin raise exception '% is append-only', tg_table_name; end $$;
comment on function supervision.only_appended() is '只增不改 | refuses every update and delete';
create trigger finding_event_only_appended before update or delete on supervision.finding_event
    for each row execute function supervision.only_appended();
