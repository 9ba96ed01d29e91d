"""A message into a channel: mail by Airflow's SMTP hook; WeCom, DingTalk, Feishu and webhooks by apprise.

A channel is an Airflow Connection; its type says which:

===================  =================================================  ================================
type                 host, login, extra                                  password
===================  =================================================  ================================
onemap_mail          extra ``to`` (by commas), ``smtp`` (default          —
                     ``smtp_default``, whose secret it uses)
onemap_wecom         host: gateway instead of the public one (optional)  key of the robot
onemap_dingtalk      the same; login: the signing secret (optional)      access token of the robot
onemap_feishu        the same                                            token of the robot
onemap_webhook       host: address that takes a JSON POST                sent as ``Authorization: Bearer``
===================  =================================================  ================================
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from connectors.endpoint import Endpoint, resolve
from core.errors import ConfigurationError, TransientError
from core.redaction import hide, redact
from serving.alerts.detect import KINDS, SEVERITY_ZH

EVENTS = {"opened": "告警", "repeated": "仍未恢复", "closed": "已恢复", "test": "测试", "reminder": "临期提醒"}
#: type of a Connection → apprise's name of the service, of those whose message apprise writes
_SCHEMES = {"onemap_wecom": "wecombot", "onemap_dingtalk": "dingtalk", "onemap_feishu": "feishu"}
CHANNELS = ("onemap_mail", *_SCHEMES, "onemap_webhook")
_TIMEOUT = 20


def words(event: str, incident: dict[str, Any], base: str) -> tuple[str, str]:
    """(title, body): what, which provider, whose duty, since when, what it stops, what next, and where."""
    content = incident["content"]
    title = f"[一张图·{EVENTS[event]}·{SEVERITY_ZH[incident['severity']]}] {content['title']}"
    lines = [
        ("事项", f"{KINDS[incident['kind']]}：{content['what']}"),
        ("责任", content["duty"]),
        ("自何时", content["since"] or "—"),
        ("影响", content["stops"]),
        ("下一步", content["next"] if event != "closed" else "无须处置，已恢复"),
    ]
    lines += [(name, f"{base.rstrip('/')}{place}") for name, place in content["pages"].items()]
    return title, "\n".join(f"{name}：{text}" for name, text in lines)


def send(channel: str, title: str, body: str) -> None:
    """:raises OneMapError: the Connection is missing or wrong, or the channel does not take it."""
    endpoint = resolve(channel)
    hide(endpoint.secrets)
    if endpoint.conn_type == "onemap_mail":
        _mail(endpoint, title, body)
    elif endpoint.conn_type in CHANNELS:
        _apprise(endpoint, title, body)
    else:
        known = ", ".join(CHANNELS)
        raise ConfigurationError(
            f"Connection {channel} has type {endpoint.conn_type!r}",
            remedy=f"one of {known}",
            zh=f"连接 {channel} 的类型 {endpoint.conn_type} 不是告警渠道，可用：{known}。",
        )


def _mail(endpoint: Endpoint, title: str, body: str) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    to = [address.strip() for address in str(endpoint.extra.get("to") or "").split(",") if address.strip()]
    if not to:
        raise ConfigurationError(
            f"Connection {endpoint.conn_id} names no recipients",
            remedy="set to in its extra",
            zh=f"连接 {endpoint.conn_id} 没有收件人，请在附加参数中填写 to。",
        )
    try:
        with SmtpHook(smtp_conn_id=str(endpoint.extra.get("smtp") or "smtp_default")) as hook:
            hook.send_email_smtp(to=to, subject=title, html_content=_html(body))
    except Exception as error:  # smtplib, ssl and Airflow raise a family each
        raise TransientError(f"the mail was not taken: {redact(str(error))[:300]}", zh="邮件未能发出。") from error


def _html(body: str) -> str:
    from html import escape

    return "".join(f"<p>{escape(line)}</p>" for line in body.splitlines())


def _apprise(endpoint: Endpoint, title: str, body: str) -> None:
    import apprise

    plugin = _plugin(endpoint)
    if plugin is None:
        raise ConfigurationError(
            f"Connection {endpoint.conn_id} is not complete for {endpoint.conn_type}",
            remedy="see docs/alerts.md for its fields",
            zh=f"连接 {endpoint.conn_id} 填写不全，各渠道的字段见 docs/alerts.md。",
        )
    plugin.socket_connect_timeout = plugin.socket_read_timeout = _TIMEOUT
    notifier = apprise.Apprise()
    notifier.add(plugin)
    with apprise.LogCapture(level=apprise.logging.WARNING) as log:
        taken = notifier.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
        output = redact(log.getvalue().strip())
    if not taken:
        last = output.splitlines()[-1][:300] if output else "no answer"
        raise TransientError(
            f"{endpoint.conn_id} did not take the message: {last}", zh=f"渠道 {endpoint.conn_id} 未收下消息。"
        )


def _plugin(endpoint: Endpoint) -> Any:
    """apprise's object for a Connection; None: its fields do not do."""
    from apprise import Apprise

    if endpoint.conn_type == "onemap_webhook":
        place = urlsplit(endpoint.base)
        secure = "jsons" if place.scheme == "https" else "json"
        headers: dict[str, Any] = {
            "schema": secure,
            "host": place.hostname,
            "port": place.port,
            "fullpath": place.path or "/",
        }
        if endpoint.password:
            headers["headers"] = {"Authorization": f"Bearer {endpoint.password}"}
        return Apprise.instantiate(headers, suppress_exceptions=True)
    scheme, token = _SCHEMES[endpoint.conn_type], {"wecombot": "key"}.get(_SCHEMES[endpoint.conn_type], "token")
    fields = {"schema": scheme, token: endpoint.password}
    if scheme == "dingtalk" and endpoint.login:
        fields["secret"] = endpoint.login
    plugin: Any = Apprise.instantiate(fields, suppress_exceptions=True)
    if plugin and endpoint.host:  # a gateway of the city's own network stands before the public address
        public = urlsplit(plugin.notify_url)
        plugin.notify_url = endpoint.base + public.path + (f"?{public.query}" if public.query else "")
        if hasattr(plugin, "api_url"):
            plugin.api_url = plugin.notify_url.format(key=endpoint.password)
    return plugin
