// SPDX-License-Identifier: GPL-2.0
/*
 * Replaces queue/stable_writes on kernels without that file (before 5.9):
 * "echo /dev/x >/sys/module/set_stable/parameters/device" makes the device need stable
 * content, as the driver of such a device does. Use it before a filesystem is mounted on the
 * device.
 */
#include <linux/backing-dev.h>
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

static int set_stable(const char *val, const struct kernel_param *kp)
{
	struct block_device *bdev;
	char *path = kstrdup(val, GFP_KERNEL);

	if (!path)
		return -ENOMEM;
	bdev = blkdev_get_by_path(strim(path), FMODE_READ, NULL);
	kfree(path);
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	bdev_get_queue(bdev)->backing_dev_info->capabilities |= BDI_CAP_STABLE_WRITES;
	blkdev_put(bdev, FMODE_READ);
	return 0;
}

static const struct kernel_param_ops set_stable_ops = { .set = set_stable };
module_param_cb(device, &set_stable_ops, NULL, 0200);

static int __init set_stable_init(void)
{
	return 0;
}
module_init(set_stable_init);

static void __exit set_stable_exit(void)
{
}
module_exit(set_stable_exit);

MODULE_DESCRIPTION("Mark a block device as one that needs stable writes");
MODULE_LICENSE("GPL");
