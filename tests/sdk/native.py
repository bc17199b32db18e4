"""The files for Swift and Kotlin are read by parsers of these languages. Nothing compiles them here: that needs Xcode and an Android SDK."""

import sys
from pathlib import Path

import tree_sitter_kotlin
import tree_sitter_swift
from tree_sitter import Language, Node, Parser

SDK = Path(__file__).parents[2] / "web" / "sdk"


def errors_of(node: Node) -> list[str]:
    if node.is_error or node.is_missing:
        return [f"line {node.start_point.row + 1}: {node.text.decode()[:60]!r}"]
    return [error for child in node.children for error in errors_of(child)] if node.has_error else []


failed = False
for name, language in [("swift/GantryUploads.swift", tree_sitter_swift), ("kotlin/GantryUploadWorker.kt", tree_sitter_kotlin)]:
    source = (SDK / name).read_bytes()
    tree = Parser(Language(language.language())).parse(source)
    found = errors_of(tree.root_node)
    print(f"{'not ok' if found else 'ok'}: {name} is read", *found, sep="\n  " if found else "")
    failed |= bool(found) or tree.root_node.named_child_count < 3
sys.exit(failed)
