// The tokens of Cedar policies and schemas. Every character belongs to some token: what Cedar does not know becomes
// one of the WRONG_ tokens, so that the reader of the tokens can say what is wrong with it.
lexer grammar CedarTokens;

TRUE       : 'true' ;
FALSE      : 'false' ;
IF         : 'if' ;
THEN       : 'then' ;
ELSE       : 'else' ;
IN         : 'in' ;
IS         : 'is' ;
LIKE       : 'like' ;
HAS        : 'has' ;

PERMIT     : 'permit' ;
FORBID     : 'forbid' ;
WHEN       : 'when' ;
UNLESS     : 'unless' ;
PRINCIPAL  : 'principal' ;
ACTION     : 'action' ;
RESOURCE   : 'resource' ;
CONTEXT    : 'context' ;

NAMESPACE  : 'namespace' ;
ENTITY     : 'entity' ;
TYPE       : 'type' ;
ENUM       : 'enum' ;
TAGS       : 'tags' ;
APPLIES_TO : 'appliesTo' ;
ATTRIBUTES : 'attributes' ;

IDENT      : [_a-zA-Z] [_a-zA-Z0-9]* ;
SLOT       : '?' [_a-zA-Z] [_a-zA-Z0-9]* ;
NUMBER     : [0-9]+ ;
STRING     : '"' ( '\\' ~[\n] | ~["\\] )* '"' ;

OROR       : '||' ;
ANDAND     : '&&' ;
EQEQ       : '==' ;
NOT_EQ     : '!=' ;
LESS_EQ    : '<=' ;
GREATER_EQ : '>=' ;
LESS       : '<' ;
GREATER    : '>' ;
ASSIGN     : '=' ;
PLUS       : '+' ;
MINUS      : '-' ;
STAR       : '*' ;
SLASH      : '/' ;
PERCENT    : '%' ;
NOT        : '!' ;
AT         : '@' ;
DOT        : '.' ;
COMMA      : ',' ;
SEMI       : ';' ;
COLCOL     : '::' ;
COLON      : ':' ;
QUESTION   : '?' ;
LPAREN     : '(' ;
RPAREN     : ')' ;
LBRACK     : '[' ;
RBRACK     : ']' ;
LBRACE     : '{' ;
RBRACE     : '}' ;

// Unicode White_Space, as the official lexer has it.
SPACE      : [\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+ -> skip ;
COMMENT    : '//' ~[\n\r]* -> skip ;

WRONG_STRING  : '"' ( '\\' ~[\n] | ~["\\] )* '\\'? ;
WRONG_COMMENT : '/*' ( ~[*] | '*'+ ~[*/] )* ( '*'+ '/' )? ;
WRONG         : . ;
