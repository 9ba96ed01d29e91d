-- 五个常问的问题 · Five questions for BI, over the views of schema onemap (docs/data-dictionary.md).
-- psql -f questions.sql as onemap_reader, or as a role of a town: the same questions, its rows.

-- 1 各镇街在办超期的办件 · running cases past a limit, by town
select p.town_name, count(*) as cases
from onemap."case" c join onemap.project p on p.id = c.project_code
where c.light in ('红', '双红') group by 1 order by 2 desc;

-- 2 各部门逾期办件与最长超期 · overdue cases by department, and the longest
select department_name, count(*) as cases, max(greatest(used_promised - promised_limit, used_statutory - statutory_limit)) as days
from onemap."case" where used_promised > promised_limit or used_statutory > statutory_limit group by 1 order by 2 desc;

-- 3 项目在各阶段的数量 · projects by stage
select coalesce(current_stage_name, case when finished then '已完成' else '未启动' end) as stage, count(*) as projects
from onemap.project group by 1 order by 2 desc;

-- 4 未消除的发现按规则与部门 · standing findings by rule and department
select rule, department_name, count(*) as findings
from onemap.finding where state in ('open', 'confirmed') group by 1, 2 order by 3 desc;

-- 5 已过期限、已上级督办的工单 · orders past their limit, and before the superior
select department_name, count(*) filter (where due_on < current_date) as late, count(*) filter (where escalated_on is not null) as escalated
from onemap.work_order where state <> 'closed' group by 1 order by 2 desc;
