"""Static files: hashed names, compressed, imports between modules rewritten too."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import … from` in our ES modules as well."""

    support_js_module_import_aggregation = True
    manifest_strict = True
