"""Connection types and their forms in the Airflow UI (docs/source-systems.md, "Connections").

The hub goes by a Connection's id and fields, never by its type: ``http``, ``generic`` or ``sftp`` do as well.
"""

from __future__ import annotations

from typing import Any

HOOK = "onemap_provider.hook.SourceHook"

_VERIFY = {
    "label": "验证证书 verify",
    "description": "true（默认）或 CA 证书文件路径 · true (default) or the path of a CA file",
    "schema": {"type": ["string", "boolean", "null"], "default": "true"},
}


def _text(label: str, description: str, default: str | None = None, **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], "default": default, **schema},
    }


def _type(
    name: str,
    title: str,
    host: str,
    login: str,
    password: str,
    fields: dict[str, Any],
    hidden: tuple[str, ...],
    *,
    placeholder: str = "",
) -> dict[str, Any]:
    return {
        "connection-type": name,
        "hook-class-name": HOOK,
        "hook-name": title,
        "conn-fields": fields,
        "ui-field-behaviour": {
            "hidden-fields": [*hidden, "extra"],
            "relabeling": {
                k: v for k, v in {"host": host, "login": login, "password": password}.items() if k not in hidden
            },
            "placeholders": {"host": placeholder} if placeholder else {},
        },
    }


_BASE = "基础地址 base URL"
TYPES = [
    _type(
        "onemap_gateway",
        "一张图 · 签名网关 signed gateway (P1, P2)",
        _BASE,
        "PaasId",
        "令牌 token",
        {
            "header_prefix": _text("请求头前缀 header_prefix", "新网关为 x-rio · x-rio in newer gateways", "x-tif"),
            "verify": _VERIFY,
        },
        ("schema", "port"),
        placeholder="https://gateway.example.gov.cn/base",
    ),
    _type(
        "onemap_rest",
        "一张图 · REST 接口 REST (M1, M3, S4)",
        _BASE,
        "client id / 用户名 login",
        "client secret / 口令 password",
        {"verify": _VERIFY},
        ("schema", "port"),
        placeholder="https://platform.example.gov.cn",
    ),
    _type(
        "onemap_tables",
        "一张图 · 前置库 front-end database (P3, M2, D3)",
        "",
        "用户名 login",
        "口令 password",
        {
            "url": _text(
                "数据库地址 url",
                "不含账号的 SQLAlchemy 地址 · SQLAlchemy URL without credentials, mysql+pymysql://host:3306/db",
            )
        },
        ("schema", "port", "host"),
    ),
    _type(
        "onemap_soap",
        "一张图 · SOAP 服务 SOAP service (D1, D2)",
        _BASE,
        "用户名 login",
        "口令 password",
        {
            "wsdl": _text("服务描述 wsdl", "WSDL 的路径，留空为约定路径 · path on the host; empty: as agreed"),
            "verify": _VERIFY,
        },
        ("schema", "port"),
        placeholder="https://office.example.gov.cn",
    ),
    _type(
        "onemap_drop",
        "一张图 · 文件投递 file drop over SFTP (D4, D5)",
        "主机 host",
        "用户名 login",
        "口令 password",
        {
            "host_key": _text("主机公钥 host_key", "必填，如 ssh-ed25519 AAAA… · required"),
            "private_key": _text(
                "私钥 private_key", "PEM，代替口令 · instead of the password", None, format="password"
            ),
            "key_file": _text("私钥文件 key_file", "私钥文件路径 · path of the key instead"),
            "root": _text("根目录 root", "投递目录 · the folder of the drop", "/out"),
        },
        ("schema",),
        placeholder="drop.example.gov.cn",
    ),
    _type(
        "onemap_geo",
        "一张图 · 地理接口 WFS, OGC API, STAC (S1–S3)",
        _BASE,
        "用户名 login",
        "口令 password",
        {"verify": _VERIFY},
        ("schema", "port"),
        placeholder="https://geo.example.gov.cn/wfs",
    ),
    _type(
        "onemap_mqtt",
        "一张图 · 消息队列 MQTT (S4)",
        "主机 host",
        "用户名 login",
        "口令 password",
        {
            "tls": {"label": "加密 tls", "description": "", "schema": {"type": ["boolean", "null"], "default": False}},
            "client_id": _text(
                "客户端编号 client_id", "固定不变，断线期间消息由对方保留 · fixed: the broker keeps messages for it"
            ),
        },
        ("schema",),
        placeholder="mqtt.example.gov.cn",
    ),
]

_GATEWAY = "网关地址，留空为公网地址 · gateway instead of the public address"
TYPES += [
    _type(
        "onemap_mail",
        "一张图 · 告警邮件 alerts by mail",
        "",
        "",
        "",
        {
            "to": _text("收件人 to", "逗号分隔 · recipients, by commas"),
            "smtp": _text(
                "邮件服务器连接 smtp", "Airflow 的 SMTP 连接编号 · id of the SMTP Connection", "smtp_default"
            ),
        },
        ("schema", "port", "host", "login", "password"),
    ),
    _type(
        "onemap_wecom", "一张图 · 企业微信群机器人 WeCom", _GATEWAY, "", "机器人 key", {}, ("schema", "port", "login")
    ),
    _type(
        "onemap_dingtalk",
        "一张图 · 钉钉群机器人 DingTalk",
        _GATEWAY,
        "加签密钥 secret",
        "access_token",
        {},
        ("schema", "port"),
    ),
    _type(
        "onemap_feishu", "一张图 · 飞书群机器人 Feishu", _GATEWAY, "", "机器人 token", {}, ("schema", "port", "login")
    ),
    _type(
        "onemap_webhook",
        "一张图 · 告警 webhook",
        "地址 address",
        "",
        "令牌 bearer token",
        {},
        ("schema", "port", "login"),
    ),
]

# The form that fits what a source declares as its protocol
FORM_OF = {
    "signed_rest": "onemap_gateway",
    "signed_files": "onemap_gateway",
    "rest": "onemap_rest",
    "soap": "onemap_soap",
    "database": "onemap_tables",
    "file_drop": "onemap_drop",
    "wfs": "onemap_geo",
    "ogc_features": "onemap_geo",
    "stac": "onemap_geo",
    "mqtt": "onemap_mqtt",
}


def get_provider_info() -> dict[str, Any]:
    """What Airflow asks of a provider."""
    return {
        "package-name": "onemap-hub",
        "name": "OneMap",
        "description": "一张图数据汇聚枢纽的数源连接",
        "connection-types": TYPES,
    }
