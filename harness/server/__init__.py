"""A local Mixpanel that real SDKs talk to: the project behind Mixpanel's own HTTP routes, and routes to look into it.

This room is the only one that reads the wall clock. It needs the extra `[server]`.
"""
