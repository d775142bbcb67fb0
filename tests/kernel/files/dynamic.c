/* A dynamically linked program. With an argument it loads that library: 0 if this works. */
#include <dlfcn.h>
#include <stddef.h>

int main(int argc, char **argv)
{
	return argc > 1 && dlopen(argv[1], RTLD_NOW) == NULL;
}
