// SPDX-License-Identifier: GPL-2.0
/*
 * Uses every function of the pin_user_pages() family as a driver would: pins pages of the
 * process that loads the module, checks page_maybe_dma_pinned() of each, writes to them, and
 * unpins them. If a check fails, the log names it, and loading fails with EIO. The module is
 * built against nothing but the headers of the patched kernel, so it also shows that all
 * these functions are declared and exported.
 *
 * With misuse=N it makes instead, twice, the N-th of the calls that GUP must refuse; ERANGE
 * if there are not so many. The scenario checks that the kernel warns once.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 8, 0)
#define mmap_sem mmap_lock
#endif

#define NR	8		/* pages of each call */

static unsigned long user_addr;	/* of the pages, in the process */
static unsigned int checks, failed_checks;

static int misuse = -1;
module_param(misuse, int, 0);
MODULE_PARM_DESC(misuse, "use the N-th function in the wrong way");

/* @function: of GUP; @error: the text if the check fails */
static void check(bool ok, const char *function, const char *error)
{
	checks++;
	if (ok)
		return;
	failed_checks++;
	pr_err("pinapi: %s: %s\n", function, error);
}

/* -- the ways to pin ---------------------------------------------------------- */

static long plain(struct page **pages)
{
	long n;

	down_read(&current->mm->mmap_sem);
	n = pin_user_pages(user_addr, NR, FOLL_WRITE, pages, NULL);
	up_read(&current->mm->mmap_sem);
	return n;
}

static long longterm(struct page **pages)
{
	long n;

	down_read(&current->mm->mmap_sem);
	n = pin_user_pages(user_addr, NR, FOLL_WRITE | FOLL_LONGTERM, pages, NULL);
	up_read(&current->mm->mmap_sem);
	return n;
}

static long with_vmas(struct page **pages)
{
	struct vm_area_struct *vmas[NR] = { };
	long i, n;

	down_read(&current->mm->mmap_sem);
	n = pin_user_pages(user_addr, NR, FOLL_WRITE, pages, vmas);
	for (i = 0; i < n; i++)
		check(vmas[i] && vmas[i]->vm_start <= user_addr, "vmas", "no vma");
	up_read(&current->mm->mmap_sem);
	return n;
}

static long fast(struct page **pages)
{
	return pin_user_pages_fast(user_addr, NR, FOLL_WRITE, pages);
}

static long fast_longterm(struct page **pages)
{
	return pin_user_pages_fast(user_addr, NR, FOLL_WRITE | FOLL_LONGTERM, pages);
}

static long fast_only(struct page **pages)
{
	return pin_user_pages_fast_only(user_addr, NR, FOLL_WRITE, pages);
}

static long unlocked(struct page **pages)
{
	return pin_user_pages_unlocked(user_addr, NR, pages, FOLL_WRITE);
}

static long remote(struct page **pages)
{
	int locked = 1;
	long n;

	down_read(&current->mm->mmap_sem);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 9, 0)
	n = pin_user_pages_remote(current->mm, user_addr, NR, FOLL_WRITE, pages,
				  NULL, &locked);
#else
	n = pin_user_pages_remote(current, current->mm, user_addr, NR, FOLL_WRITE,
				  pages, NULL, &locked);
#endif
	if (locked)
		up_read(&current->mm->mmap_sem);
	return n;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static long locked(struct page **pages)
{
	int locked = 1;
	long n;

	down_read(&current->mm->mmap_sem);
	n = pin_user_pages_locked(user_addr, NR, FOLL_WRITE, pages, &locked);
	if (locked)
		up_read(&current->mm->mmap_sem);
	return n;
}
#endif

/* -- the ways to unpin -------------------------------------------------------- */

static void one_by_one(struct page **pages)
{
	int i;

	for (i = 0; i < NR; i++)
		unpin_user_page(pages[i]);
}

static void all(struct page **pages)
{
	unpin_user_pages(pages, NR);
}

static void dirty(struct page **pages)
{
	unpin_user_pages_dirty_lock(pages, NR, true);
}

static void clean(struct page **pages)
{
	unpin_user_pages_dirty_lock(pages, NR, false);
}

static const struct {
	const char *name;
	long (*pin)(struct page **pages);
} pinners[] = {
	{ "pin_user_pages", plain },
	{ "pin_user_pages, FOLL_LONGTERM", longterm },
	{ "pin_user_pages, vmas", with_vmas },
	{ "pin_user_pages_fast", fast },
	{ "pin_user_pages_fast, FOLL_LONGTERM", fast_longterm },
	{ "pin_user_pages_fast_only", fast_only },
	{ "pin_user_pages_unlocked", unlocked },
	{ "pin_user_pages_remote", remote },
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
	{ "pin_user_pages_locked", locked },
#endif
};

static void (* const unpinners[])(struct page **pages) = {
	one_by_one, all, dirty, clean,
};

/* -- the checks of each way ----------------------------------------------------- */

static void write_word(struct page *page, u32 word)
{
	void *addr = kmap(page);

	*(u32 *)addr = word;
	kunmap(page);
}

static void check_way(const char *name, long (*pin)(struct page **pages),
		      void (*unpin)(struct page **pages))
{
	struct page *pages[NR], *plain[NR];
	u32 word;
	long n;
	int i;

	n = pin(pages);
	if (n != NR) {
		check(false, name, "did not pin all pages");
		while (n-- > 0)
			unpin_user_page(pages[n]);
		return;
	}
	for (i = 0; i < NR; i++) {
		check(page_maybe_dma_pinned(pages[i]), name,
		      "a page does not look pinned");
		write_word(pages[i], 0x1000 + i);
	}
	for (i = 0; i < NR; i++)
		check(!get_user(word, (u32 __user *)(user_addr + i * PAGE_SIZE)) &&
		      word == 0x1000 + i, name, "not the page that is mapped");

	/* Plain references keep the pages for the checks after they are unpinned. */
	n = get_user_pages_fast(user_addr, NR, 0, plain);
	check(n == NR, name, "get_user_pages_fast");
	unpin(pages);
	for (i = 0; i < n; i++) {
		check(plain[i] == pages[i], name, "get finds another page");
		check(!page_maybe_dma_pinned(plain[i]), name,
		      "a page looks pinned after it was unpinned");
		check(unpin != dirty || PageDirty(plain[i]), name,
		      "a page is not dirty");
		put_page(plain[i]);
	}
}

/* -- calls that GUP must refuse -------------------------------------------------- */

static long get_plain(unsigned int flags, struct page **pages)
{
	return get_user_pages(user_addr, NR, flags, pages, NULL);
}

static long get_unlocked(unsigned int flags, struct page **pages)
{
	return get_user_pages_unlocked(user_addr, NR, pages, flags);
}

static long get_fast(unsigned int flags, struct page **pages)
{
	return get_user_pages_fast(user_addr, NR, flags, pages);
}

static long get_remote(unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 9, 0)
	return get_user_pages_remote(current->mm, user_addr, NR, flags, pages, NULL,
				     NULL);
#else
	return get_user_pages_remote(current, current->mm, user_addr, NR, flags,
				     pages, NULL, NULL);
#endif
}

static long pin_plain(unsigned int flags, struct page **pages)
{
	return pin_user_pages(user_addr, NR, flags, pages, NULL);
}

static long pin_unlocked(unsigned int flags, struct page **pages)
{
	return pin_user_pages_unlocked(user_addr, NR, pages, flags);
}

static long pin_fast(unsigned int flags, struct page **pages)
{
	return pin_user_pages_fast(user_addr, NR, flags, pages);
}

static long pin_fast_only(unsigned int flags, struct page **pages)
{
	return pin_user_pages_fast_only(user_addr, NR, flags, pages);
}

static long pin_remote(unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 9, 0)
	return pin_user_pages_remote(current->mm, user_addr, NR, flags, pages, NULL,
				     NULL);
#else
	return pin_user_pages_remote(current, current->mm, user_addr, NR, flags,
				     pages, NULL, NULL);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
static long get_locked(unsigned int flags, struct page **pages)
{
	int locked = 1;

	return get_user_pages_locked(user_addr, NR, flags, pages, &locked);
}

static long pin_locked(unsigned int flags, struct page **pages)
{
	int locked = 1;

	return pin_user_pages_locked(user_addr, NR, flags, pages, &locked);
}
#endif

static const struct {
	const char *name;
	long (*call)(unsigned int flags, struct page **pages);
	bool locks;		/* it takes mmap_sem; else its caller must */
	unsigned int flags;
	long result;
} misuses[] = {
	{ "get_user_pages, FOLL_PIN", get_plain, false, FOLL_PIN, -EINVAL },
	{ "get_user_pages, FOLL_GET and FOLL_PIN", get_plain, false,
	  FOLL_GET | FOLL_PIN, -EINVAL },
	{ "get_user_pages_remote, FOLL_PIN", get_remote, false, FOLL_PIN,
	  -EINVAL },
	{ "get_user_pages_unlocked, FOLL_PIN", get_unlocked, true, FOLL_PIN,
	  -EINVAL },
	{ "get_user_pages_fast, FOLL_PIN", get_fast, true, FOLL_PIN, -EINVAL },
	{ "pin_user_pages, FOLL_GET", pin_plain, false, FOLL_GET, -EINVAL },
	{ "pin_user_pages_remote, FOLL_GET", pin_remote, false, FOLL_GET,
	  -EINVAL },
	{ "pin_user_pages_unlocked, FOLL_GET", pin_unlocked, true, FOLL_GET,
	  -EINVAL },
	{ "pin_user_pages_fast, FOLL_GET", pin_fast, true, FOLL_GET, -EINVAL },
	/* a number of pages, never an error */
	{ "pin_user_pages_fast_only, FOLL_GET", pin_fast_only, true, FOLL_GET,
	  0 },
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
	{ "get_user_pages_locked, FOLL_PIN", get_locked, false, FOLL_PIN,
	  -EINVAL },
	{ "pin_user_pages_locked, FOLL_GET", pin_locked, false, FOLL_GET,
	  -EINVAL },
#endif
};

static void check_misuse(unsigned int n)
{
	const char *name = misuses[n].name;
	struct page *pages[NR];
	int i, times;
	long ret;

	for (times = 0; times < 2; times++) {
		memset(pages, 0, sizeof(pages));
		if (!misuses[n].locks)
			down_read(&current->mm->mmap_sem);
		ret = misuses[n].call(misuses[n].flags | FOLL_WRITE, pages);
		if (!misuses[n].locks)
			up_read(&current->mm->mmap_sem);
		pr_info("pinapi: %s: %ld\n", name, ret);
		check(ret == misuses[n].result, name, "was not refused");
		for (i = 0; i < NR; i++)
			check(!pages[i], name, "has taken a page");
	}
}

static int __init pinapi_init(void)
{
	unsigned int i, j;

	if (!current->mm)
		return -EINVAL;
	if (misuse >= (int)ARRAY_SIZE(misuses))
		return -ERANGE;
	user_addr = vm_mmap(NULL, 0, NR * PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(user_addr))
		return user_addr;
	for (i = 0; i < NR; i++)
		check(!put_user(i, (u32 __user *)(user_addr + i * PAGE_SIZE)),
		      "mmap", "a page cannot be written");

	if (misuse >= 0) {
		check_misuse(misuse);
		vm_munmap(user_addr, NR * PAGE_SIZE);
		return failed_checks ? -EIO : 0;
	}

	for (i = 0; i < ARRAY_SIZE(pinners); i++)
		for (j = 0; j < ARRAY_SIZE(unpinners); j++)
			check_way(pinners[i].name, pinners[i].pin, unpinners[j]);

	vm_munmap(user_addr, NR * PAGE_SIZE);
	pr_info("pinapi: %zu ways to pin, %u checks, %u failed\n",
		ARRAY_SIZE(pinners), checks, failed_checks);
	return failed_checks ? -EIO : 0;
}

static void __exit pinapi_exit(void)
{
}

module_init(pinapi_init);
module_exit(pinapi_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test of the pin_user_pages() family");
