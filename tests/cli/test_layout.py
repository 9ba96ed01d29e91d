"""The run folder keeps its secrets to itself."""

from __future__ import annotations

import stat

from cli.stack.layout import Layout


def test_secrets_are_for_this_user_alone_and_stay_the_same(tmp_path):
    layout = Layout(tmp_path)
    layout.make()
    first = layout.secret("jwt.secret")
    assert layout.secret("jwt.secret") == first
    assert len(first) > 40
    for path in (layout.secrets / "jwt.secret", layout.secrets):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_the_administrators_password_is_told_as_new_once(tmp_path):
    layout = Layout(tmp_path)
    layout.make()
    password, fresh = layout.admin_password()
    assert fresh
    assert layout.admin_password() == (password, False)
    assert stat.S_IMODE(layout.passwords.stat().st_mode) == 0o600
