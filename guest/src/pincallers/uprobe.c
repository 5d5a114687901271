// SPDX-License-Identifier: GPL-2.0
/* A uprobe on this program: the kernel counts in a page of its data that it is enabled. */
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

#include "file.h"
#include "pincallers.h"

/* The reference counter of a probe must be in pages of the program's file. */
static volatile short semaphore __attribute__((section(".data"))) = 0x100;
static volatile int probed_calls __attribute__((section(".data"))) = 1;

__attribute__((noinline)) static void probed(void)
{
	probed_calls++;
	asm volatile("" : : : "memory");
}

/* Where in the program's file the address is, or 0. */
static unsigned long file_offset(const volatile void *addr)
{
	const ElfW(Phdr) *headers = (void *)getauxval(AT_PHDR), *header;
	unsigned long i, n = getauxval(AT_PHNUM), base = 0, vaddr;

	for (i = 0; i < n; i++)
		if (headers[i].p_type == PT_PHDR)
			base = (unsigned long)headers - headers[i].p_vaddr;
	vaddr = (unsigned long)addr - base;
	for (i = 0; i < n; i++) {
		header = &headers[i];
		if (header->p_type == PT_LOAD && vaddr >= header->p_vaddr &&
		    vaddr < header->p_vaddr + header->p_filesz)
			return vaddr - header->p_vaddr + header->p_offset;
	}
	return 0;
}

void call_uprobe(void)
{
	static const char events[] = "/sys/kernel/tracing/uprobe_events";
	static const char enable[] = "/sys/kernel/tracing/events/uprobes/pincallers/enable";
	char program[256];
	short old = semaphore;
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n <= 0)
		die_not_ok("/proc/self/exe");
	program[n] = 0;
	if (access(events, W_OK)) {
		case_skip("uprobe", events);
		return;
	}
	if (!write_text(events, O_APPEND, "p:pincallers %s:0x%lx(0x%lx)\n", program,
			file_offset((void *)probed), file_offset(&semaphore))) {
		case_skip("uprobe", "no reference counters");
		return;
	}
	case_begin();
	if (!write_text(enable, 0, "1"))
		die_not_ok(enable);
	/* The kernel takes a plain reference to put in the breakpoint. */
	case_end(semaphore == old + 1 ? NULL : "semaphore", 1, "uprobe, enable");
	probed();
	case_begin();
	if (!write_text(enable, 0, "0"))
		die_not_ok(enable);
	case_end(semaphore == old ? NULL : "semaphore", 1, "uprobe, disable");
	write_text(events, O_APPEND, "-:pincallers\n");
}
