// Cedar schemas, one declaration at a time. `}` of a namespace is left to the reader, which keeps the namespaces.
parser grammar CedarSchema;
options { tokenVocab = CedarTokens; }
@parser::postinclude { #include "grammar/tree_pool.h" }
@parser::members {
  TreePool _tracker;   // hides that of antlr4::Parser
  TreePool& trees() { return _tracker; }
}

item        : annotations+=annotation*
              ( ns=namespaceHead | entity=entityDecl SEMI | act=actionDecl SEMI | common=typeDecl SEMI ) ;
annotation  : AT key=anyWord ( LPAREN value=STRING RPAREN )? ;

namespaceHead : NAMESPACE scope=path LBRACE ;

entityDecl  : ENTITY names+=anyWord ( COMMA names+=anyWord )*
              ( isEnum=ENUM LBRACK ids+=STRING ( COMMA ids+=STRING )* RBRACK
              | ( IN parents=pathList )? ( ASSIGN shape=record | shape=record )? ( TAGS tags=type )? ) ;

actionDecl  : ACTION names+=name ( COMMA names+=name )* ( IN parents=refList )? ( applies=appliesTo )?
              ( attributes=ATTRIBUTES LBRACE RBRACE )? ;
refList     : items+=actionRef
            | LBRACK items+=actionRef ( COMMA items+=actionRef )* RBRACK ;
actionRef   : id=STRING
            | head=anyWord tails+=refTail* ;
refTail     : COLCOL ( part=anyWord | id=STRING ) ;
appliesTo   : APPLIES_TO open=LBRACE clauses+=clause ( COMMA clauses+=clause )* COMMA? RBRACE ;
clause      : kind=( PRINCIPAL | RESOURCE ) COLON types=pathList
            | kind=CONTEXT COLON ( named=path | inlined=record ) ;

typeDecl    : TYPE id=anyWord ASSIGN body=type ;

type        : named=path ( angle=LESS element=type GREATER )?
            | inlined=record ;
record      : LBRACE ( attrs+=attr ( COMMA attrs+=attr )* COMMA? )? RBRACE ;
attr        : annotations+=annotation* attrName=name optional=QUESTION? COLON body=type ;

pathList    : items+=path
            | bracket=LBRACK ( items+=path ( COMMA items+=path )* )? RBRACK ;
path        : parts+=anyWord ( COLCOL parts+=anyWord )* ;
name        : ident=anyWord | text=STRING ;

anyWord     : IF | TRUE | FALSE | THEN | ELSE | IN | IS | LIKE | HAS
            | PERMIT | FORBID | WHEN | UNLESS | PRINCIPAL | ACTION | RESOURCE | CONTEXT
            | NAMESPACE | ENTITY | TYPE | ENUM | TAGS | APPLIES_TO | ATTRIBUTES | IDENT ;
