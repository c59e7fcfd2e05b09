"""Static files: hashed names, compressed, imports between modules rewritten too."""

from collections.abc import Iterator, Mapping
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Their comments show an import of a file that does not exist; no page of ours loads them.
UNUSED = "django_htmx/ext/"


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Rewrites `import … from` in our ES modules as well."""

    support_js_module_import_aggregation = True
    manifest_strict = True

    def post_process(
        self, paths: Mapping[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Hash and compress everything but what would stop the collection."""
        kept = {name: found for name, found in paths.items() if not name.startswith(UNUSED)}
        yield from super().post_process(kept, dry_run, **options)
