/* The shapes of kerf.h, in C99 with every warning: a caller that was built yesterday has them in its code. */
#include "kerf.h"

#define IS(what, value) typedef char check_##what[(value) ? 1 : -1]
#define SIZE(type, size) IS(size_of_##type, sizeof(type) == (size))
#define AT(type, field, offset) IS(type##_##field, offsetof(type, field) == (offset))

SIZE(kerf_status, 4);
SIZE(kerf_text, 16); AT(kerf_text, size, 8);
SIZE(kerf_uid, 32); AT(kerf_uid, id, 16);
SIZE(kerf_check_options, 16); AT(kerf_check_options, flags, 8); AT(kerf_check_options, level, 12);
SIZE(kerf_compile_options, 64); AT(kerf_compile_options, directory, 16); AT(kerf_compile_options, helper, 32);
AT(kerf_compile_options, waived, 48);
SIZE(kerf_format_options, 16); AT(kerf_format_options, line_width, 8); AT(kerf_format_options, indent_width, 12);
SIZE(kerf_request, 120); AT(kerf_request, principal, 8); AT(kerf_request, action, 40); AT(kerf_request, resource, 72);
AT(kerf_request, context, 104);
SIZE(kerf_authorize_options, 16); AT(kerf_authorize_options, flags, 8);

IS(numbers, KERF_OK == 0 && KERF_INVALID == 1 && KERF_BAD_ARGUMENT == 2 && KERF_FAILED == 3 && KERF_NO_MEMORY == 4 &&
            KERF_INTERNAL == 70 && KERF_DENY == 0 && KERF_ALLOW == 1);
IS(kinds, KERF_POLICIES == 1 && KERF_SCHEMA == 2 && KERF_ENTITIES == 3 && KERF_LINKS == 4 && KERF_BY_NAME == 0 &&
          KERF_CEDAR == 1 && KERF_JSON == 2);
IS(directions, KERF_POLICIES_TO_JSON == 1 && KERF_POLICIES_TO_CEDAR == 2 && KERF_SCHEMA_TO_JSON == 3 &&
               KERF_SCHEMA_TO_JSON_RESOLVED == 4 && KERF_SCHEMA_TO_CEDAR == 5);
IS(flags, KERF_CHECK_PERMISSIVE == 1 && KERF_CHECK_LEVEL == 2 && KERF_CHECK_APPLICABILITY_WARNS == 4 &&
          KERF_COMPILE_TABLE_ONLY == 1 && KERF_AUTHORIZE_UNCHECKED_REQUEST == 1);

int kerf_layout_is_as_published(void);
int kerf_layout_is_as_published(void)
{
	kerf_check_options options = KERF_INIT(kerf_check_options);
	return options.struct_size == 16 && options.flags == 0;
}
