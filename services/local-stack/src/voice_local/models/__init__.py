"""The models behind the interfaces of `engines`: one module per runtime and weights."""
