// Makes the document what a view says it is; what stays keeps its focus, its place and what was typed.

/** Elements of drawings. */
const DRAWN = ['svg', 'polygon', 'polyline']
/** These are properties of an element, no attributes. */
const PROPERTIES = ['value', 'checked', 'selected', 'style']

/** What `h` makes: what strangers wrote may look like it. */
class Part {
	/** @param {string} tag @param {unknown} key @param {Props} props @param {unknown[]} kids @param {string} text */
	constructor(tag, key, props, kids, text = '') {
		Object.assign(this, {tag, key, props, kids, text})
		this.node = null
		this.drawn = new Map()
	}
}

/** An element, such as `h('p.quiet', {title}, 'text')`: `quiet` is a class; `key` tells it from the others of a list. @type {Makes} */
export const h = (/** @type {string} */ name, /** @type {any[]} */ ...kids) => {
	const [tag, ...classes] = name.split('.'), {key, class: more, ...props} = kids[0]?.constructor === Object ? kids.shift() : {}
	if (more) classes.push(more)
	if (classes.length) props.class = classes.join(' ')
	return /** @type {any} */ (new Part(tag, key, props, kids))
}

/** Gives each part a place: one that comes or goes moves none of the others. @param {any} part @param {string} place @param {Map<string, Element_>} into */
function gather(part, place, into) {
	if (Array.isArray(part)) part.forEach((one, at) => gather(one, `${place} ${one?.key ?? at}`, into))
	else if (part instanceof Part) into.set(place, /** @type {any} */ (part))
	else if (part || part === 0) into.set(place, /** @type {any} */ (new Part('', 0, {}, [], String(part))))
	return into
}

/** `label` is for whoever cannot see it. @param {any} node @param {Props} before @param {Props} after */
function dress(node, before, after) {
	for (const name in {...before, ...after}) {
		const value = after[name], attribute = name === 'label' ? 'aria-label' : name
		if (value === before[name]) continue
		// A handler that returns false would cancel the event.
		if (name.startsWith('on')) node[name] = (/** @type {Event} */ event) => void value(event)
		else if (PROPERTIES.includes(name)) node[name] = value ?? ''
		else if (value === undefined || value === null || value === false) node.removeAttribute(attribute)
		else node.setAttribute(attribute, value === true ? '' : value)
	}
}

/** @param {Node} parent @param {Map<string, Element_>} before @param {Map<string, Element_>} after */
function fill(parent, before, after) {
	for (const [place, {tag, node}] of before) if (after.get(place)?.tag !== tag) /** @type {ChildNode} */ (node).remove()
	let next = parent.firstChild
	for (const [place, one] of after) {
		const old = before.get(place), same = old?.tag === one.tag ? old : null, {tag, text} = one
		const node = (one.node = same?.node ?? (!tag ? new Text() : DRAWN.includes(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag)))
		if (node === next) next = node.nextSibling
		else parent.insertBefore(node, next)
		if (tag) {
			dress(node, same?.props ?? {}, one.props)
			fill(node, same?.drawn ?? new Map(), (one.drawn = gather(one.kids, '', new Map())))
		} else if (node.nodeValue !== text) node.nodeValue = text
	}
}

/** Draws at once. */
export const screen = {draw() {}}

let shown = /** @type {Map<string, Element_>} */ (new Map())

/** @param {HTMLElement} root @param {unknown} view */
export function draw(root, view) {
	const focused = /** @type {HTMLElement | null} */ (document.activeElement), now = gather(view, '', new Map())
	fill(root, shown, now)
	shown = now
	// What was moved has lost it.
	if (focused !== document.activeElement && focused?.isConnected) focused.focus({preventScroll: true})
}
