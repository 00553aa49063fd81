"""The Language Server Protocol (3.17): what an editor tells, and what it asks. pygls speaks it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from importlib.metadata import version

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from codegen.avro.schema import split_name
from codegen.contract.load import MANIFEST
from codegen.diagnostics import KontraktError
from codegen.language_server.changes import layout, mends_of, refuse_rename, rename
from codegen.language_server.completion import Item, Sort, complete
from codegen.language_server.hover import describe, describe_key
from codegen.language_server.session import OpenRepository, Session
from codegen.language_server.symbols import Index, Kind, Occurrence
from codegen.source import Span

_SYMBOL_KINDS = {
    Kind.TYPE: lsp.SymbolKind.Struct,
    Kind.FIELD: lsp.SymbolKind.Field,
    Kind.TOPIC: lsp.SymbolKind.Event,
    Kind.SERVICE: lsp.SymbolKind.Module,
}
_ITEM_KINDS = {
    Sort.TYPE: lsp.CompletionItemKind.Struct,
    Sort.KEY: lsp.CompletionItemKind.Property,
    Sort.VALUE: lsp.CompletionItemKind.Value,
    Sort.TOPIC: lsp.CompletionItemKind.Event,
}


class Refused(JsonRpcInvalidParams):
    """What an editor asks for is not done, and the message says why."""


def serve(against: str | None) -> None:
    """Speak to an editor over stdin and stdout until it ends the session.

    With a baseline, each save is compared with the past. Ends the process.
    """
    make_server(against).start_io()
    # A thread may still wait for the past to answer; nobody waits for the thread any more.
    os._exit(0)


def make_server(against: str | None) -> LanguageServer:
    """The server, with all that it answers."""
    server = LanguageServer(
        "kontrakt",
        version("kontrakt"),
        # With whole texts nobody has to agree with the editor on what ends a line.
        text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
    )
    # Whoever asked is told of a refusal; nothing has failed.
    logging.getLogger("pygls.protocol.json_rpc").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], Refused))
    )
    session = Session(server, against)
    _follow_texts(server, session)
    _answer(server, session)
    _offer_changes(server, session)
    return server


def _follow_texts(server: LanguageServer, session: Session) -> None:
    def take(uri: str, text: str) -> None:
        if (found := session.find(uri)) is not None:
            repository, name = found
            repository.workspace.edit(name, text)
            session.touch(repository)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(parameters: lsp.DidOpenTextDocumentParams) -> None:
        take(parameters.text_document.uri, parameters.text_document.text)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(parameters: lsp.DidChangeTextDocumentParams) -> None:
        uri = parameters.text_document.uri
        take(uri, server.workspace.get_text_document(uri).source)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(parameters: lsp.DidCloseTextDocumentParams) -> None:
        if (found := session.find(parameters.text_document.uri)) is not None:
            repository, name = found
            repository.workspace.close(name)
            session.touch(repository)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def did_save(parameters: lsp.DidSaveTextDocumentParams) -> None:
        if (found := session.find(parameters.text_document.uri)) is not None:
            found[0].workspace.refresh()
            session.touch(found[0], is_saved=True)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def did_change_watched_files(parameters: lsp.DidChangeWatchedFilesParams) -> None:
        # Of what is open the editor tells itself when it is saved.
        opened = server.workspace.text_documents
        if all(change.uri in opened for change in parameters.changes):
            return
        for repository in session.repositories():
            repository.workspace.refresh()
            session.touch(repository, is_saved=True)

    @server.feature(lsp.INITIALIZED)
    async def initialized(parameters: lsp.InitializedParams) -> None:
        watched = server.client_capabilities.workspace
        files = watched.did_change_watched_files if watched is not None else None
        if files is None or not files.dynamic_registration:
            return
        watchers = [
            lsp.FileSystemWatcher("**/schemas/**/*.avsc"),
            lsp.FileSystemWatcher(f"**/{MANIFEST}"),
        ]
        options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
        registration = lsp.Registration("files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(lsp.RegistrationParams([registration]))


def _find(
    session: Session, repository: OpenRepository, name: str, position: lsp.Position
) -> tuple[Index, Occurrence | None]:
    """The name that stands at a position of a file."""
    index = repository.index()
    return index, index.at(name, session.offset(repository.workspace.text(name), position))


def _answer(server: LanguageServer, session: Session) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(parameters: lsp.HoverParams) -> lsp.Hover | None:
        def work(repository: OpenRepository, name: str) -> lsp.Hover | None:
            index, one = _find(session, repository, name, parameters.position)
            words = describe(one.symbol, index) if one else ""
            if one is not None and words:
                content = lsp.MarkupContent(lsp.MarkupKind.Markdown, words)
                return lsp.Hover(content, session.place(repository, one).range)
            text = repository.workspace.text(name)
            key = describe_key(name, text, session.offset(text, parameters.position))
            if key is None:
                return None
            content = lsp.MarkupContent(lsp.MarkupKind.Markdown, key.text)
            return lsp.Hover(content, session.range(text, key.span))

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    async def definition(parameters: lsp.DefinitionParams) -> list[lsp.Location] | None:
        def work(repository: OpenRepository, name: str) -> list[lsp.Location]:
            index, one = _find(session, repository, name, parameters.position)
            found = index.of(one.symbol) if one else []
            return [session.place(repository, other) for other in found if other.is_definition]

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    async def references(parameters: lsp.ReferenceParams) -> list[lsp.Location] | None:
        with_definition = parameters.context.include_declaration

        def work(repository: OpenRepository, name: str) -> list[lsp.Location]:
            index, one = _find(session, repository, name, parameters.position)
            return [
                session.place(repository, other)
                for other in (index.of(one.symbol) if one else ())
                if with_definition or not other.is_definition
            ]

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def document_highlight(
        parameters: lsp.DocumentHighlightParams,
    ) -> list[lsp.DocumentHighlight] | None:
        def work(repository: OpenRepository, name: str) -> list[lsp.DocumentHighlight]:
            index, one = _find(session, repository, name, parameters.position)
            return [
                lsp.DocumentHighlight(
                    session.place(repository, other).range,
                    lsp.DocumentHighlightKind.Write
                    if other.is_definition
                    else lsp.DocumentHighlightKind.Read,
                )
                for other in (index.of(one.symbol) if one else ())
                if other.file == name
            ]

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=['"', "."])
    )
    async def completion(parameters: lsp.CompletionParams) -> lsp.CompletionList | None:
        def work(repository: OpenRepository, name: str) -> lsp.CompletionList:
            text = repository.workspace.text(name)
            offset = session.offset(text, parameters.position)
            # Names that exist change seldom, and whoever types does not wait.
            found = complete(name, text, offset, repository.workspace.recent())
            items = [
                _completion_item(session, text, item, number) for number, item in enumerate(found)
            ]
            return lsp.CompletionList(is_incomplete=False, items=items)

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def document_symbol(
        parameters: lsp.DocumentSymbolParams,
    ) -> list[lsp.DocumentSymbol] | None:
        def work(repository: OpenRepository, name: str) -> list[lsp.DocumentSymbol]:
            outline: list[lsp.DocumentSymbol] = []
            fields: list[lsp.DocumentSymbol] = []
            for one in repository.index().definitions(name):
                entry = _outline_entry(session, one)
                if one.symbol.kind is Kind.FIELD and outline:
                    fields.append(entry)
                else:
                    fields = []
                    entry.children = fields
                    outline.append(entry)
            return outline

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.WORKSPACE_SYMBOL)
    async def workspace_symbol(parameters: lsp.WorkspaceSymbolParams) -> list[lsp.WorkspaceSymbol]:
        wanted = parameters.query.lower()

        def work() -> list[lsp.WorkspaceSymbol]:
            return [
                lsp.WorkspaceSymbol(
                    location=session.place(repository, one),
                    name=one.symbol.name,
                    kind=_SYMBOL_KINDS[one.symbol.kind],
                )
                for repository in session.repositories()
                for one in repository.index().definitions()
                if one.symbol.kind is not Kind.FIELD and wanted in one.symbol.name.lower()
            ]

        return await asyncio.to_thread(work)


def _completion_item(session: Session, text: str, item: Item, number: int) -> lsp.CompletionItem:
    new, form = item.text, lsp.InsertTextFormat.PlainText
    if item.pause is not None and session.takes_snippets():
        before, after = (
            re.sub(r"([\\$}])", r"\\\1", part) for part in (new[: item.pause], new[item.pause :])
        )
        new, form = f"{before}$0{after}", lsp.InsertTextFormat.Snippet
    return lsp.CompletionItem(
        label=item.label,
        kind=_ITEM_KINDS[item.sort],
        detail=item.detail or None,
        documentation=item.doc or None,
        sort_text=f"{number:05}",
        insert_text_format=form,
        text_edit=lsp.TextEdit(session.range(text, item.span), new),
    )


def _outline_entry(session: Session, one: Occurrence) -> lsp.DocumentSymbol:
    document, span = one.place.document, one.span()
    path = one.place.path
    around = document.span(path if one.place.on_key else path[:-1])
    whole = Span(min(around.start, span.start), max(around.end, span.end))
    return lsp.DocumentSymbol(
        name=document.text[span.start : span.end],
        kind=_SYMBOL_KINDS[one.symbol.kind],
        range=session.range(document.text, whole),
        selection_range=session.range(document.text, span),
    )


def _offer_changes(server: LanguageServer, session: Session) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    async def formatting(parameters: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        def work(repository: OpenRepository, name: str) -> list[lsp.TextEdit]:
            change = layout(name, repository.workspace.state())
            return [] if change is None else session.text_edits(repository, name, [change])

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]),
    )
    async def code_action(parameters: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
        asked = parameters.range
        kinds = parameters.context.only
        # A kind that is asked for stands for those below it, as "" does for all.
        if kinds is not None and not {"", lsp.CodeActionKind.QuickFix} & set(kinds):
            return []

        def work(repository: OpenRepository, name: str) -> list[lsp.CodeAction]:
            here = [
                finding
                for finding in repository.findings()
                if finding.location.file == name
                and finding.location.line - 1 <= asked.end.line
                and asked.start.line <= finding.location.end_line - 1
            ]
            return [
                lsp.CodeAction(
                    title=mend.advice,
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=[session.diagnostic(repository, finding)],
                    edit=session.edits(repository, {mend.file: [change]}),
                )
                for finding, mend, change in mends_of(here, repository.workspace.state())
            ]

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_RENAME)
    async def rename_symbol(parameters: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        def work(repository: OpenRepository, name: str) -> lsp.WorkspaceEdit | None:
            index, one = _find(session, repository, name, parameters.position)
            if one is None:
                return None
            try:
                renaming = rename(one.symbol, parameters.new_name, index)
            except KontraktError as error:
                raise Refused(f"{error.message}: {error.hint}") from None
            return session.edits(repository, renaming.changes, renaming.moves)

        return await session.ask(parameters.text_document.uri, work)

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare_rename(
        parameters: lsp.PrepareRenameParams,
    ) -> lsp.PrepareRenamePlaceholder | None:
        def work(repository: OpenRepository, name: str) -> lsp.PrepareRenamePlaceholder | None:
            index, one = _find(session, repository, name, parameters.position)
            if one is None:
                return None
            try:
                refuse_rename(one.symbol, index)
            except KontraktError as error:
                raise Refused(f"{error.message}: {error.hint}") from None
            simple = split_name(one.symbol.name)[1]
            span = one.span()
            last = Span(span.end - len(simple), span.end)
            where = session.range(one.place.document.text, last)
            return lsp.PrepareRenamePlaceholder(where, simple)

        return await session.ask(parameters.text_document.uri, work)
