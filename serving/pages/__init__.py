"""The One Map page (一张图): map, board, list, a project's page; server-rendered, no outside asset."""
