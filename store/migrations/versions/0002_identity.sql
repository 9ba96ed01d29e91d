create table store.member (
    entity text not null,
    record_id bigint not null,
    ord integer not null,
    id text not null,
    constraint member_pk primary key (entity, record_id, ord)
);
create index member_entity_id_ix on store.member (entity, id);
comment on table store.member is '成员：数源行归入哪一统一行 | which golden row each source row speaks of: lineage, and what a change touches';
comment on column store.member.entity is '实体 | entity';
comment on column store.member.record_id is '记录 | source.record';
comment on column store.member.ord is '序号 | which of the rows that the record maps to';
comment on column store.member.id is '编号 | id of the golden row that it speaks of';

create table store.item_code (
    code text not null,
    item_code text not null,
    valid_from date not null default '-infinity',
    valid_to date not null default 'infinity',
    constraint item_code_pk primary key (code, item_code, valid_from)
);
comment on table store.item_code is '事项编码对照：编码、别名在其生效期内指哪一事项 | which item a code or alias means, and when';
comment on column store.item_code.code is '编码 | any code that means the item';
comment on column store.item_code.item_code is '事项编码 | item';
comment on column store.item_code.valid_from is '生效日 | first day';
comment on column store.item_code.valid_to is '失效日 | first day that it means it no more';

create index case_municipal_no_ix on source."case" (municipal_no);
create index case_department_no_ix on source."case" (department_no);
create index project_applicant_uscc_ix on store.project (applicant_uscc);

-- GB/T 40058-2021; form of 2015-2020 (four-digit year) has no check digit
create function store.project_code_old(code text) returns boolean
    language sql immutable parallel safe
    return code ~ '^20(1[5-9]|20)-\d{6}-\d{2}-\d{2}-\d{6}$';
comment on function store.project_code_old(text) is '旧式项目代码（2015–2020）| project code of the old form';

-- ISO 7064 MOD 11,10 over the 19 digits before the check digit
create function store.project_code_valid(code text) returns boolean
    language plpgsql immutable parallel safe as
$$
declare
    digits text;
    p integer := 10;
    digit text;
begin
    if code is null or code !~ '^\d{2}(0[1-9]|1[0-2])-\d{6}-\d{2}-\d{2}-\d{6}$' or store.project_code_old(code) then
        return false;
    end if;
    digits := replace(code, '-', '');
    foreach digit in array string_to_array(left(digits, 19), null) loop
        p := (p + digit::integer) % 10;
        if p = 0 then
            p := 10;
        end if;
        p := p * 2 % 11;
    end loop;
    return (11 - p) % 10 = right(digits, 1)::integer;
end
$$;
comment on function store.project_code_valid(text) is '新式项目代码且校验位正确（GB/T 40058-2021）| new form, right check digit';

create function store.normal_name(name text) returns text
    language sql immutable parallel safe
    return nullif(lower(regexp_replace(normalize(name, nfkc), '[[:space:][:punct:]·、，。《》“”‘’（）【】〔〕〈〉—…]', '', 'g')), '');
comment on function store.normal_name(text) is '名称归一：全半角、括号、标点、空白不计 | a name for comparison: width, brackets, marks and blanks do not count';

create function store.normal_number(number text) returns text
    language sql immutable parallel safe
    return nullif(upper(translate(regexp_replace(normalize(number, nfkc), '[[:space:]]', '', 'g'), '〔【[［〈{〕】]］〉}', '(((((())))))')), '');
comment on function store.normal_number(text) is '证号归一：括号、全半角、空白不计 | a document number for comparison: brackets, width and blanks do not count';
