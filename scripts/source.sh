#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Usage: scripts/source.sh unpack DIR | image | pristine
# Gets what a base is made of, once:
#   unpack    the base's source in DIR, which is empty: from Debian's package, or for a
#             base that Debian has none of, from the user's tree or the stable tree
#   image     Debian's own prebuilt kernel of the same version, in build/BASE/debimg
#   pristine  the source in build/BASE/pristine
# Environment: BASE, LINUX_5_4 (a tree or git repository of Linux 5.4)
. "$(dirname "$0")/lib.sh"
debs=$ROOT/build/debs
tree_variable=LINUX_${BASE//./_} # by which the user names a tree for this base

# download PACKAGE[=VERSION] PATTERN: gets the .deb, whose name matches PATTERN, if it is not
# there yet.
download() {
	local user=() reason name=${1%%=*}
	mkdir -p "$debs/tmp"
	if compgen -G "$debs/$2" >/dev/null; then
		return
	fi
	echo "   downloading $name from Debian (70 to 150 MB)"
	if ((EUID == 0)); then
		user=(-o APT::Sandbox::User=root)
	fi
	# shellcheck disable=SC2016 # expanded by the inner shell
	if ! busy downloading bash -c 'cd "$1" && shift && LC_ALL=C apt-get -q "$@" >log 2>&1' - \
		"$debs/tmp" "${user[@]+"${user[@]}"}" download "$1"; then
		reason=$(grep -m 1 '^E: ' "$debs/tmp/log" | cut -c 4-103) || true
		die "apt-get could not download $name (${reason:-see build/debs/tmp/log}):" \
			"check the network (and apt-get update), then run the same make again"
	fi
	find "$debs/tmp" -name "$2" -exec mv {} "$debs/" \;
}

# downloaded PATTERN: prints the path of the .deb.
downloaded() {
	compgen -G "$debs/$1" | tail -n 1 || die "apt-get left no build/debs/$1: see build/debs/tmp"
}

# version: prints the version of the base: of the installed package, else of the one that apt
# would install.
version() {
	local version
	version=$(dpkg-query -W -f '${Version}' "$BASE_PACKAGE" 2>/dev/null) || version=''
	if [[ ! $version || ! -r /usr/src/$BASE_TARBALL ]]; then
		version=$(apt-cache policy "$BASE_PACKAGE" 2>/dev/null |
			awk '/Candidate:/ && $2 != "(none)" { print $2 }')
	fi
	echo "$version"
}

# get_tarball: downloads the base source unless the package is installed.
get_tarball() {
	local deb
	if [[ -r /usr/src/$BASE_TARBALL || -r $BUILD/usr/src/$BASE_TARBALL ]]; then
		return
	fi
	need_space 6 "the base source and a kernel build"
	download "$BASE_PACKAGE" "${BASE_PACKAGE}_*.deb"
	deb=$(downloaded "${BASE_PACKAGE}_*.deb")
	rm -rf "$BUILD/usr.tmp"
	dpkg -x "$deb" "$BUILD/usr.tmp"
	[[ -r $BUILD/usr.tmp/usr/src/$BASE_TARBALL ]] ||
		die "$deb holds no usr/src/$BASE_TARBALL: remove it and try again"
	mv "$BUILD/usr.tmp/usr" "$BUILD/usr"
	rm -rf "$BUILD/usr.tmp"
}

# tarball: prints the path of the base source.
tarball() {
	if [[ -r /usr/src/$BASE_TARBALL ]]; then
		echo "/usr/src/$BASE_TARBALL"
	else
		echo "$BUILD/usr/src/$BASE_TARBALL"
	fi
}

# image_package VERSION: prints the name of the newest image package of this version.
image_package() {
	if [[ $1 ]]; then
		apt-cache pkgnames linux-image- | grep -xE "$BASE_IMAGE_RE" | sort -rV |
			xargs -r apt-cache madison 2>/dev/null |
			awk -v version="$1" '$3 == version && !found { print $1; found = 1 }'
	fi
}

# git_tree DIR: it is a git work tree or a bare repository, and not a directory within one.
git_tree() {
	git -C "$1" rev-parse -q --verify HEAD >/dev/null 2>&1 &&
		[[ -e $1/.git || $(git -C "$1" rev-parse --is-bare-repository) == true ]]
}

# is_series: the Makefile on stdin is of the version of the base.
is_series() {
	local version
	version=$(sed -n 's/^\(VERSION\|PATCHLEVEL\) *= *//p' 2>/dev/null | paste -sd.)
	[[ $version == "$BASE_SERIES" ]]
}

git_unpack() { git -C "$1" archive "$2" | tar -C "$3" -xf -; }       # TREE REVISION DIR
tar_copy() { tar -C "$1" --exclude=./.git -cf - . | tar -C "$2" -xf -; } # TREE DIR

# unpack_local DIR TREE: TREE is a plain tree, a git work tree or a bare repository.
unpack_local() {
	local revision named=$tree_variable=$2
	[[ -d $2 ]] || die "$named: no such directory"
	if git_tree "$2"; then
		# What is checked out, or the newest release of this series.
		revision=HEAD
		if ! git -C "$2" show HEAD:Makefile 2>/dev/null | is_series; then
			revision=$(git -C "$2" tag -l "v$BASE_SERIES.*" --sort=-v:refname |
				head -n 1)
		fi
		[[ $revision ]] || die "$named: neither HEAD nor a tag is Linux $BASE_SERIES"
		busy unpacking git_unpack "$2" "$revision" "$1" ||
			die "$named: $revision cannot be read: name a complete tree"
	else
		if [[ ! -r $2/Makefile ]] || ! is_series <"$2/Makefile"; then
			die "$named is not a tree of Linux $BASE_SERIES"
		fi
		busy copying tar_copy "$2" "$1" || die "$named cannot be copied"
	fi
	[[ ! -e $1/include/linux/pinned_writeback.h ]] ||
		die "$named has the series already: name a tree without it"
}

unpack() { # DIR
	local file
	if [[ ${BASE_PACKAGE:-} ]]; then
		get_tarball
		file=$(tarball)
		busy unpacking tar -C "$1" --strip-components=1 -xf "$file" ||
			die "$file cannot be unpacked:" \
				"remove it (or install $BASE_PACKAGE again) and try again"
		return
	fi
	if [[ ${!tree_variable:-} ]]; then
		unpack_local "$1" "${!tree_variable}"
		return
	fi
	note "Linux $BASE_SERIES: cloning branch $BASE_GIT_BRANCH of the stable tree (about 250 MB)"
	if ! GIT_TERMINAL_PROMPT=0 busy cloning git clone -q --depth 1 --branch "$BASE_GIT_BRANCH" \
		"$BASE_GIT" "$1.git" 2>/dev/null; then
		rm -rf "$1.git"
		die "no source for base $BASE:" \
			"give $tree_variable=/path/to/a/tree/of/Linux/$BASE_SERIES," \
			"or connect to a network where $BASE_GIT can be cloned"
	fi
	unpack_local "$1" "$1.git"
	rm -rf "$1.git"
}

image() {
	local package version deb release
	if [[ -d $BUILD/debimg/boot || ! ${BASE_PACKAGE:-} ]]; then
		return
	fi
	need_space 1 "Debian's kernel image"
	version=$(version)
	package=$(image_package "$version") || package=''
	if [[ ! $package ]]; then
		note "Debian has no prebuilt kernel of the version of $BASE_PACKAGE;" \
			"stock will be built"
		return
	fi
	if ! (download "$package=$version" "${package}_*.deb"); then
		note "stock will be built"
		return
	fi
	deb=$(downloaded "${package}_*.deb")
	rm -rf "$BUILD/debimg.tmp"
	dpkg -x "$deb" "$BUILD/debimg.tmp"
	release=${package#linux-image-}
	# An emulated CPU takes 5 s to decompress it at each boot; an ELF file boots at once.
	if ! "$BUILD/tree/scripts/extract-vmlinux" "$BUILD/debimg.tmp/boot/vmlinuz-$release" \
		>"$BUILD/debimg.tmp/boot/vmlinux" 2>/dev/null; then
		rm "$BUILD/debimg.tmp/boot/vmlinux"
	fi
	/sbin/depmod -b "$BUILD/debimg.tmp" "$release"
	mv "$BUILD/debimg.tmp" "$BUILD/debimg"
	note "stock kernel: Debian's $release ($version)"
}

pristine() {
	local tmp=$BUILD/pristine.tmp
	if [[ -d $BUILD/pristine ]]; then
		return
	fi
	rm -rf "$tmp"
	mkdir "$tmp"
	if [[ -n $(git -C "$BUILD/tree" tag -l base 2>/dev/null) ]]; then
		note "checking out the base source (about 1 minute)"
		busy unpacking git_unpack "$BUILD/tree" base "$tmp"
	else
		note "unpacking the base source (about 1 minute)"
		unpack "$tmp"
	fi
	mv "$tmp" "$BUILD/pristine"
}

main() {
	parse_args 1 2 "$@"
	load_base
	mkdir -p "$BUILD"
	case $1$# in
	unpack2) unpack "$2" ;;
	image1) lock; image ;;
	pristine1) lock; pristine ;;
	*) die "no such step: $*: $0 --help shows the usage" ;;
	esac
}

main "$@"
