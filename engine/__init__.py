"""An embedded Pulumi engine for any Python program: plans offline, applies by REST calls, keeps Pulumi's own state.

It serves stacks on endpoints named by the provider's `GOOGLE_<X>_CUSTOM_ENDPOINT` variables; real clouds are for the
`pulumi` command.
"""
