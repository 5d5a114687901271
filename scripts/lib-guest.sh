# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Kernels and QEMU: sourced by the scripts that start guests (guest.sh, shell.sh) and by those
# that build kernels for them (demo.sh, test.sh). Wants load_base.

# build_kernels PACKAGES KERNEL...: installs the set of packages (demo or full of setup.sh), and
# builds or gets each of stock, lean, patched and debug, if needed, and the programs of the guests.
build_kernels() {
	local name
	"$ROOT/scripts/setup.sh" "$1"
	shift
	"$ROOT/scripts/tree.sh"
	for name; do
		case $name in
		stock)
			"$ROOT/scripts/source.sh" image
			if [[ ! -d $BUILD/debimg ]]; then
				"$ROOT/scripts/build.sh" stock-lean
			fi
			;;
		lean) "$ROOT/scripts/build.sh" stock-lean ;;
		*) "$ROOT/scripts/build.sh" "$name" ;;
		esac
	done
	"$ROOT/scripts/build.sh" programs
}

# The files of a kernel and its properties, set by find_kernel and make_initramfs:
#   name       for results
#   image      the bzImage
#   map        its System.map; there may be none
#   modules    the directory that has lib/modules/RELEASE
#   release    its version
#   want       stock or patched: the guest fails if it finds the other; any: no matter
#   duration   the factor by which it is slower than an ordinary kernel
#   initramfs  that of make_initramfs
declare -A guest_kernel=()

# find_kernel NAME: fills guest_kernel.
find_kernel() {
	local directory='' image='' modules='' releases name=$1 want=any duration=1
	case $1 in
	stock | debian)
		name=stock want=stock
		image=$(compgen -G "$BUILD/debimg/boot/vmlinuz-*" | head -n 1) || true
		if [[ $image ]]; then
			modules=$BUILD/debimg
			if [[ -e $BUILD/debimg/boot/vmlinux ]]; then
				image=$BUILD/debimg/boot/vmlinux
			fi
		else
			# There is no Debian image of every base: stock with the lean configuration.
			directory=$BUILD/stock-lean
		fi
		;;
	lean) directory=$BUILD/stock-lean want=stock ;;
	patched) directory=$BUILD/patched want=patched ;;
	debug) directory=$BUILD/debug want=patched duration=6 ;;
	*)
		[[ -d $1 ]] || die "no kernel '$1':" \
			"use stock, lean, patched, debug or a build directory"
		directory=$(cd "$1" && pwd)
		name=$(basename "$directory")
		;;
	esac
	if [[ $directory ]]; then
		image=$directory/arch/x86/boot/bzImage
		modules=$directory/mods
	fi
	[[ -r $image ]] ||
		die "kernel $name is not built ($image): run make test or make demo"
	releases=("$modules"/lib/modules/*)
	[[ -d ${releases[0]} ]] ||
		die "no modules in $modules/lib/modules: build this kernel again"
	guest_kernel=([name]=$name [image]=$image [map]=$directory/System.map [modules]=$modules
		[release]=${releases[0]##*/} [want]=$want [duration]=$duration)
}

# set_factors: sets duration_factor and limit_factor, by which times in the guest are multiplied
# (see guest.sh).
# shellcheck disable=SC2034 # for the scripts that source this
set_factors() {
	duration_factor=${DURATION_FACTOR:-${guest_kernel[duration]}}
	limit_factor=${LIMIT_FACTOR:-$(awk -v d="$duration_factor" \
		'BEGIN { print (d > 4 ? d : 4) }')}
}

# make_initramfs: for the kernel in guest_kernel, if its parts have changed. One script makes it
# at a time.
make_initramfs() {
	local path=$BUILD/initramfs-${guest_kernel[name]}.cpio.gz source
	guest_kernel[initramfs]=$path
	(
		flock 8
		for source in "${guest_kernel[image]}" "$ROOT/guest/init" \
			"${guest_kernel[modules]}/lib/modules/${guest_kernel[release]}"; do
			if [[ ! -e $path || $path -ot $source ]]; then
				"$ROOT/scripts/initramfs.sh" "${guest_kernel[modules]}" \
					"${guest_kernel[release]}" "$path"
				break
			fi
		done
	) 8>"$ROOT/build/initramfs.lock"
}

# qemu_arguments RESULT ACCELERATOR MEMORY OUT WORD...: sets the array RESULT to QEMU's
# arguments for a guest with guest_kernel, MEMORY MiB, the directory OUT as its /out, and these
# words on the kernel's command line. Disks, a network and a console are not among them.
qemu_arguments() {
	local -n _arguments=$1
	local accelerator=$2 memory=$3 out_directory=$4 cpu=max modules
	local share=security_model=none,multidevs=remap
	local always="nokaslr no_timer_check rootfstype=ramfs"
	shift 4
	if [[ $accelerator == tcg* ]]; then
		cpu=max,la57=off
	fi
	modules=${guest_kernel[modules]}/lib/modules/${guest_kernel[release]}
	# shellcheck disable=SC2034 # the caller's
	_arguments=(
		-accel "$accelerator" -cpu "$cpu" -smp "${GUEST_SMP:-2}" -m "$memory"
		-nodefaults -no-user-config -display none -no-reboot -monitor none
		-device virtio-rng-pci
		-kernel "${guest_kernel[image]}" -initrd "${guest_kernel[initramfs]}"
		-append "console=ttyS0 panic=-1 loglevel=6 printk.devkmsg=on $always $*"
		-virtfs "local,path=/,mount_tag=host,readonly=on,$share"
		-virtfs "local,path=$ROOT,mount_tag=proj,readonly=on,$share"
		-virtfs "local,path=$modules,mount_tag=mods,readonly=on,$share"
		-virtfs "local,path=$out_directory,mount_tag=out,$share"
	)
}

# disk_arguments RESULT DIRECTORY: sets the array RESULT to QEMU's arguments for the two disks
# of a guest, which are sparse files in DIRECTORY.
disk_arguments() {
	local -n _disks=$1
	local name
	_disks=()
	for name in vda vdb; do
		_disks+=(-drive "file=$2/$name,format=raw,if=virtio,cache=unsafe,discard=unmap")
	done
}

# new_disks DIRECTORY
new_disks() {
	truncate -s 4G "$1/vda"
	truncate -s 1G "$1/vdb"
}

# find_accelerator DIRECTORY: prints QEMU's accelerator. KVM may exist and never run a guest, so
# it is used only if a trial boot (with files in DIRECTORY) has come as far as user space. The
# answer is kept in build/accel.
find_accelerator() {
	local answer=$ROOT/build/accel accelerator=tcg,thread=multi trial
	if [[ ${GUEST_ACCEL:-} ]]; then
		echo "$GUEST_ACCEL"
		return
	fi
	exec 8>"$ROOT/build/accel.lock"
	flock 8
	if [[ ! -s $answer ]]; then
		if [[ -r /dev/kvm && -w /dev/kvm ]]; then
			echo "   trial boot with KVM (at most 15 s)" >&2
			qemu_arguments trial kvm 2048 "$1" pw.scenario=none
			# In braces, as bash says so when QEMU is aborted, which KVM may do.
			{
				timeout -k 1 15 qemu-system-x86_64 "${trial[@]}" \
					-serial "file:$1/trial.log" </dev/null >/dev/null || true
			} 2>/dev/null
			if grep -qs '@@ALIVE' "$1/trial.log"; then
				accelerator=kvm
			fi
		fi
		echo "$accelerator" >"$answer"
	fi
	exec 8>&-
	cat "$answer"
}
