// Cedar policies. Wider than the language on purpose: a scope takes any expression, `has`, `like` and `is` any operand,
// `=` `/` `%` are operators. The tree reader (frontend/parse) refuses those with messages of their own; what this
// grammar refuses gets a general one. Left-factored: nearly every decision is made on one token.
parser grammar Cedar;
options { tokenVocab = CedarTokens; }
@parser::postinclude { #include "grammar/tree_pool.h" }
@parser::members {
  TreePool _tracker;   // hides that of antlr4::Parser
  TreePool& trees() { return _tracker; }
}

policy     : annotations+=annotation* effect=word LPAREN ( items+=scopeItem ( COMMA items+=scopeItem )* COMMA? )? close=RPAREN
             conditions+=condition* SEMI ;
annotation : AT key=anyWord ( LPAREN value=STRING RPAREN )? ;
scopeItem  : variable=anyWord ( colon=COLON hint=sum )? ( isTest=IS type=sum )?
             ( op=( EQEQ | NOT_EQ | LESS | LESS_EQ | GREATER | GREATER_EQ | ASSIGN | IN ) value=expr )? ;
condition  : kind=( WHEN | UNLESS | IDENT | IF ) LBRACE body=expr? RBRACE ;

expression : body=expr EOF ;

expr       : IF test=expr THEN yes=expr ELSE no=expr
           | chain=orChain ;
orChain    : items+=andChain ( ops+=OROR items+=andChain )* ;
andChain   : items+=relation ( ops+=ANDAND items+=relation )* ;
relation   : left=sum tails+=relTail* ;
relTail    : op=( EQEQ | NOT_EQ | LESS | LESS_EQ | GREATER | GREATER_EQ | ASSIGN | IN | HAS | LIKE | IS ) right=sum ;
sum        : items+=product ( ops+=( PLUS | MINUS ) items+=product )* ;
product    : items+=unary ( ops+=( STAR | SLASH | PERCENT ) items+=unary )* ;
unary      : ops+=( NOT | MINUS )* operand=member ;
member     : object=primary accesses+=access* ;
access     : DOT attr=anyWord
           | call=LPAREN ( args+=expr ( COMMA args+=expr )* COMMA? )? RPAREN
           | index=LBRACK key=expr RBRACK ;
primary    : number=NUMBER
           | text=STRING
           | slot=SLOT
           | head=word tails+=pathTail*
           | LPAREN inner=expr RPAREN
           | set=LBRACK ( items+=expr ( COMMA items+=expr )* COMMA? )? RBRACK
           | record=recordLit ;
pathTail   : COLCOL ( part=anyWord | id=STRING | record=recordLit ) ;
recordLit  : LBRACE ( fields+=field ( COMMA fields+=field )* COMMA? )? RBRACE ;
field      : ( reserved=IF | key=expr ) COLON value=expr ;

word       : TRUE | FALSE | THEN | ELSE | IN | IS | LIKE | HAS
           | PERMIT | FORBID | WHEN | UNLESS | PRINCIPAL | ACTION | RESOURCE | CONTEXT
           | NAMESPACE | ENTITY | TYPE | ENUM | TAGS | APPLIES_TO | ATTRIBUTES | IDENT ;
anyWord    : IF | TRUE | FALSE | THEN | ELSE | IN | IS | LIKE | HAS
           | PERMIT | FORBID | WHEN | UNLESS | PRINCIPAL | ACTION | RESOURCE | CONTEXT
           | NAMESPACE | ENTITY | TYPE | ENUM | TAGS | APPLIES_TO | ATTRIBUTES | IDENT ;
