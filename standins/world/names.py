"""Plausible names that nobody bears: companies, people, products, trades of Dongguan."""

from __future__ import annotations

from random import Random

INDUSTRIES = (  # GB/T 4754 小类, product, how a company of it calls itself
    ("C3973", "集成电路封装测试", "微电子"),
    ("C3962", "智能车载设备", "智能科技"),
    ("C3921", "通信系统设备", "通信技术"),
    ("C3913", "计算机外围设备", "电子"),
    ("C3982", "电子电路", "电路科技"),
    ("C3841", "锂离子电池", "新能源"),
    ("C3811", "发电机组", "电气"),
    ("C3871", "电光源", "照明科技"),
    ("C2927", "日用塑料制品", "塑胶制品"),
    ("C2915", "橡胶零件", "橡塑科技"),
    ("C2231", "纸制品包装", "纸业"),
    ("C1411", "烘焙食品", "食品"),
    ("C3525", "精密模具", "精密模具"),
    ("C3491", "工业机器人", "机器人"),
    ("C2770", "卫生材料", "医疗科技"),
    ("C1952", "皮鞋", "鞋业"),
    ("C2110", "木质家具", "家具"),
    ("C3670", "汽车零部件", "汽车部件"),
    ("D4416", "分布式光伏发电", "光伏能源"),
    ("C2662", "专项化学用品", "材料科技"),
)
_HEADS = "宏鑫瑞华嘉恒泰盛隆裕德铭晟凯优卓锐创正合众信和润博远昌利达丰源启佳"
_TAILS = "达成科兴业源通泰捷越航腾元邦亿安诚信辉煌立新睿群锋维拓"
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_GIVEN = "伟芳敏静丽强磊军洋勇艳杰涛明超霞平刚建华志文晓欣宇浩婷雪梅国辉玲"
_KINDS = ("生产基地", "智能制造", "研发及产业化", "总部及制造", "产业园", "二期", "增资扩产", "自动化生产线")
_ROADS = ("科技", "工业", "振兴", "创新", "兴业", "环城", "莞太", "东部", "沿江", "松柏")


def company(dice: Random, trade: str) -> str:
    return f"东莞市{dice.choice(_HEADS)}{dice.choice(_TAILS)}{dice.choice(_HEADS)}{trade}有限公司"


def person(dice: Random) -> str:
    return dice.choice(_SURNAMES) + "".join(dice.choice(_GIVEN) for _ in range(dice.randint(1, 2)))


def project(company_name: str, product: str, dice: Random) -> str:
    short = company_name.removeprefix("东莞市")[:3]
    return f"{short}{product}{dice.choice(_KINDS)}项目"


def address(town: str, dice: Random) -> str:
    return f"广东省东莞市{town}{dice.choice(_ROADS)}{dice.choice('一二三四五')}路{dice.randint(1, 399)}号"


def phone(dice: Random) -> str:
    """A mobile number of a range that is not given out."""
    return f"1000{dice.randint(0, 9999999):07d}"
