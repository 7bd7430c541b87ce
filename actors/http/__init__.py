"""The HTTP API, as ``docs/http.md`` says it: bodies, routes, problems, pages.

``actors.gateway.build_app`` puts the parts together.
"""
