create table supervision.work_order (
    no text primary key,
    finding_id text not null unique references supervision.finding (id),
    rule text not null,
    project_code text not null,
    item_code text not null,
    case_no text not null,
    department_code text not null,
    department_name text,
    severity smallint not null,
    state text not null check (state in ('dispatched', 'signed', 'answered', 'disputed', 'closed')),
    dispatched_at timestamp not null,
    step_at timestamp not null,
    due_on date,
    urged_on date,
    escalated_on date,
    result text check (result in ('整改', '误报')),
    answer text,
    close_asked_at timestamp,
    closed_at timestamp,
    revision integer not null default 0
);
create index work_order_department_ix on supervision.work_order (department_code) where state <> 'closed';
create index work_order_project_ix on supervision.work_order (project_code);
comment on table supervision.work_order is '工单：一条发现一张 | work orders: one a finding';
comment on column supervision.work_order.no is '工单编号，由发现编号得出 | from the finding''s id';
comment on column supervision.work_order.state is 'dispatched 待签收, signed 待反馈, answered 待核销, disputed 误报待人判定, closed 已办结';
comment on column supervision.work_order.dispatched_at is '派单时间；重开、改派后为最近一次 | of the last dispatch';
comment on column supervision.work_order.step_at is '本环节起算时间 | from when the running limit counts';
comment on column supervision.work_order.due_on is '本环节到期日；空：不计时 | last day of the running limit; null: none runs';
comment on column supervision.work_order.urged_on is '本环节催办日 | urged in this step';
comment on column supervision.work_order.escalated_on is '本环节督办日 | gone to the superior in this step';
comment on column supervision.work_order.revision is '修订号：每次上报 +1 | of the last change told to the platform';

create table supervision.order_step (
    seq bigint generated always as identity primary key,
    order_no text not null references supervision.work_order (no),
    at timestamp not null,
    recorded_at timestamptz not null default clock_timestamp(),
    step text not null,
    by text not null,
    why text,
    detail jsonb not null default '{}'
);
create index order_step_order_ix on supervision.order_step (order_no, seq);
comment on table supervision.order_step is '工单履历：何时、何人、何故，只增不改 | every step: when, who, why; append-only';
comment on column supervision.order_step.at is '发生时间（本市时间）| when it happened';
comment on column supervision.order_step.recorded_at is '记录时间 | when the hub wrote it down';
comment on column supervision.order_step.step is
    'dispatched 派单, signed 签收, answered 反馈, asked_close 申请核销, urged 催办, escalated 督办, rerouted 改派, closed 办结, reopened 重开, noted 其他';

create table supervision.outbox (
    id bigint generated always as identity primary key,
    order_no text not null references supervision.work_order (no),
    revision integer not null,
    action text not null check (action in ('dispatch', 'urge', 'escalate', 'close', 'reopen')),
    key uuid not null unique default gen_random_uuid(),
    body bytea not null,
    made_at timestamp not null,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'refused')),
    attempts integer not null default 0,
    tried_at timestamptz,
    error text,
    sent_at timestamptz,
    answer jsonb,
    unique (order_no, revision)
);
create index outbox_waiting_ix on supervision.outbox (order_no, revision) where state <> 'sent';
comment on table supervision.outbox is '发件箱：待报市平台的工单变更 | changes of work orders on their way to the municipal platform';
comment on column supervision.outbox.key is '幂等键，发送前已存 | Idempotency-Key, stored before it is sent';
comment on column supervision.outbox.body is '报文原字节，重发不变 | the very bytes, the same at every attempt';
comment on column supervision.outbox.attempts is '已尝试次数，发送前记 | counted before each attempt';

create table supervision.order_update (
    seq bigint primary key,
    order_no text not null,
    action text not null,
    at timestamp,
    by text,
    department_code text,
    result text,
    text text,
    received_at timestamptz not null default clock_timestamp(),
    used boolean not null
);
create index order_update_order_ix on supervision.order_update (order_no);
comment on table supervision.order_update is '市平台回传：签收、反馈、核销申请，按 seq 去重 | what the platform tells back, once a seq';
comment on column supervision.order_update.used is '是否改变了工单 | it moved the order on';

create table supervision.update_cursor (
    system text primary key,
    cursor text,
    moved_at timestamptz not null default clock_timestamp()
);
comment on table supervision.update_cursor is '回传游标：与回传记录同一事务写入 | where the next poll begins';

create trigger order_step_only_appended before update or delete on supervision.order_step
    for each row execute function supervision.only_appended();
create trigger order_step_not_emptied before truncate on supervision.order_step
    for each statement execute function supervision.only_appended();
create trigger order_update_only_appended before update or delete on supervision.order_update
    for each row execute function supervision.only_appended();
create trigger order_update_not_emptied before truncate on supervision.order_update
    for each statement execute function supervision.only_appended();
create trigger finding_event_not_emptied before truncate on supervision.finding_event
    for each statement execute function supervision.only_appended();
