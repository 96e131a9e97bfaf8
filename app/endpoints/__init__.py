"""The API of the app, and its MCP tools."""
