#!/bin/bash
# Usage: scripts/source.sh unpack DIR | image | pristine
# Gets what a base is made of, once:
#   unpack    the base's source in DIR, which is empty: from Debian's package, or for a
#             base that Debian has none of, from the user's tree or the stable tree
#   image     Debian's own prebuilt kernel of the same version, in build/BASE/debimg
#   pristine  the source in build/BASE/pristine
# Environment: BASE, LINUX_5_4 (a tree or git repository of Linux 5.4)
. "$(dirname "$0")/lib.sh"
[[ ${1:-} != -h ]] || usage 0
load_base
mkdir -p "$BUILD"

# download PACKAGE[=VERSION] PATTERN: the .deb, as build/debs/PATTERN, its path in $deb.
download() {
	local dir=$ROOT/build/debs user=()
	mkdir -p "$dir"
	if ! compgen -G "$dir/$2" >/dev/null; then
		echo "   downloading ${1%%=*} from Debian (70 to 150 MB)"
		((EUID != 0)) || user=(-o APT::Sandbox::User=root)
		mkdir -p "$dir/tmp"
		# shellcheck disable=SC2016 # expanded by the inner shell
		busy downloading bash -c 'cd "$1" && shift && apt-get -q "$@" >log 2>&1' - \
			"$dir/tmp" "${user[@]+"${user[@]}"}" download "$1" ||
			die "apt-get could not download ${1%%=*} ($(grep -m 1 '^E: ' "$dir/tmp/log" | cut -c 4-103)): check the network (and apt-get update), then run the same make again"
		find "$dir/tmp" -name "$2" -exec mv {} "$dir/" \;
	fi
	deb=$(compgen -G "$dir/$2" | tail -n 1)
}

# The version of the base: of the installed package, else the one apt would install.
version() {
	local v
	v=$(dpkg-query -W -f '${Version}' "$BASE_PACKAGE" 2>/dev/null) || v=
	[[ $v && -r /usr/src/$BASE_TARBALL ]] ||
		v=$(apt-cache policy "$BASE_PACKAGE" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }')
	echo "$v"
}

# find_tarball: the base source, in $tarball.
find_tarball() {
	local deb
	tarball=/usr/src/$BASE_TARBALL
	[[ ! -r $tarball ]] || return 0
	tarball=$BUILD/usr/src/$BASE_TARBALL
	if [[ ! -r $tarball ]]; then
		need_space 6 "the base source and a kernel build"
		download "$BASE_PACKAGE" "${BASE_PACKAGE}_*.deb"
		rm -rf "$BUILD/usr.tmp"
		dpkg -x "$deb" "$BUILD/usr.tmp"
		[[ -r $BUILD/usr.tmp/usr/src/$BASE_TARBALL ]] || die "$deb holds no usr/src/$BASE_TARBALL: remove it and try again"
		mv "$BUILD/usr.tmp/usr" "$BUILD/usr"
		rm -rf "$BUILD/usr.tmp"
	fi
}

# Newest image package that has the version of the source.
image_package() {
	local v
	v=$(version)
	[[ $v ]] || return 0
	apt-cache pkgnames linux-image- | grep -xE "$BASE_IMAGE_RE" | sort -rV |
		xargs -r apt-cache madison 2>/dev/null | awk -v v="$v" '$3 == v { print $1; exit }'
}

# The variable by which the user names a tree for this base: LINUX_5_4 for 5.4.
var=LINUX_${BASE//./_}

# unpack_local DIR TREE: TREE is a plain tree, a git work tree or a bare repository.
unpack_local() {
	local rev
	[[ -d $2 ]] || die "$var=$2: no such directory"
	if git -C "$2" rev-parse -q --verify HEAD >/dev/null 2>&1 &&
		{ [[ -e $2/.git ]] || [[ $(git -C "$2" rev-parse --is-bare-repository) == true ]]; }; then
		# What is checked out, or the newest release of this series.
		rev=HEAD
		git -C "$2" show HEAD:Makefile 2>/dev/null | is_series ||
			rev=$(git -C "$2" tag -l "v$BASE_SERIES.*" --sort=-v:refname | head -n 1)
		[[ $rev ]] || die "$var=$2: neither HEAD nor a tag is Linux $BASE_SERIES"
		busy unpacking git_unpack "$2" "$rev" "$1" ||
			die "$var=$2: $rev cannot be read: name a complete tree"
	else
		{ [[ -r $2/Makefile ]] && is_series <"$2/Makefile"; } || die "$var=$2 is not a tree of Linux $BASE_SERIES"
		busy copying tar_copy "$2" "$1" || die "$var=$2 cannot be copied"
	fi
	[[ ! -e $1/include/linux/pinned_writeback.h ]] ||
		die "$var=$2 has the series already: name a tree without it"
}
git_unpack() { git -C "$1" archive "$2" | tar -C "$3" -xf -; }
tar_copy() { tar -C "$1" --exclude=./.git -cf - . | tar -C "$2" -xf -; }
is_series() { [[ $(sed -n 's/^\(VERSION\|PATCHLEVEL\) *= *//p' 2>/dev/null | paste -sd.) == "$BASE_SERIES" ]]; }

unpack() { # DIR
	if [[ ${BASE_PACKAGE:-} ]]; then
		find_tarball
		busy unpacking tar -C "$1" --strip-components=1 -xf "$tarball" ||
			die "$tarball cannot be unpacked: remove it (or install $BASE_PACKAGE again) and try again"
		return
	fi
	if [[ ${!var:-} ]]; then
		unpack_local "$1" "${!var}"
		return
	fi
	note "Linux $BASE_SERIES: cloning branch $BASE_GIT_BRANCH of the stable tree (about 250 MB)"
	GIT_TERMINAL_PROMPT=0 busy cloning git clone -q --depth 1 --branch "$BASE_GIT_BRANCH" "$BASE_GIT" "$1.git" 2>/dev/null ||
		{ rm -rf "$1.git"
		die "no source for base $BASE: give $var=/path/to/a/tree/of/Linux/$BASE_SERIES, or connect to a network where $BASE_GIT can be cloned"; }
	unpack_local "$1" "$1.git"
	rm -rf "$1.git"
}

image() {
	local pkg deb rel
	[[ ! -d $BUILD/debimg/boot && ${BASE_PACKAGE:-} ]] || return 0
	need_space 1 "Debian's kernel image"
	pkg=$(image_package | head -n 1) || pkg=
	if [[ ! $pkg ]]; then
		note "Debian has no prebuilt kernel of the version of $BASE_PACKAGE; stock will be built"
		return
	fi
	(download "$pkg=$(version)" "${pkg}_*.deb") || {
		note "stock will be built"
		return
	}
	download "$pkg=$(version)" "${pkg}_*.deb"
	rm -rf "$BUILD/debimg.tmp"
	dpkg -x "$deb" "$BUILD/debimg.tmp"
	rel=${pkg#linux-image-}
	/sbin/depmod -b "$BUILD/debimg.tmp" "$rel"
	mv "$BUILD/debimg.tmp" "$BUILD/debimg"
	note "stock kernel: Debian's $rel ($(version))"
}

pristine() {
	[[ ! -d $BUILD/pristine ]] || return 0
	rm -rf "$BUILD/pristine.tmp"
	mkdir "$BUILD/pristine.tmp"
	if [[ -n $(git -C "$BUILD/tree" tag -l base 2>/dev/null) ]]; then
		note "checking out the base source (about 1 minute)"
		busy unpacking git_unpack "$BUILD/tree" base "$BUILD/pristine.tmp"
	else
		note "unpacking the base source (about 1 minute)"
		unpack "$BUILD/pristine.tmp"
	fi
	mv "$BUILD/pristine.tmp" "$BUILD/pristine"
}

case ${1:-} in
unpack) [[ $# == 2 ]] || usage 2 >&2; unpack "$2" ;;
image) lock; image ;;
pristine) lock; pristine ;;
*) usage 2 >&2 ;;
esac
