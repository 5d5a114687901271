/* SPDX-License-Identifier: GPL-2.0 */
/* Files of /proc and /sys. */
#ifndef FILE_H
#define FILE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* Writes a text with one call; @flags: O_APPEND or 0. On failure false, with errno. */
__attribute__((format(printf, 3, 4)))
static inline bool write_text(const char *path, int flags, const char *format, ...)
{
	char text[512];
	va_list ap;
	int fd, len;
	bool ok;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | flags);
	if (fd < 0)
		return false;
	ok = write(fd, text, len) == len;
	close(fd);
	return ok;
}

#endif
