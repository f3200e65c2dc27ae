package wsd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxMessage is the longest message that is looked at, in bytes, both of UDP and of HTTP.
	maxMessage  = 8 << 10
	maxElements = 200
	maxDepth    = 12
	// maxID is the longest message identifier, in bytes: that of Windows has 45.
	maxID = 256
	// maxTypes is how many types somebody may look for at once: Windows names one. Each is
	// looked up among all attributes around it.
	maxTypes = 16
)

// request is a message that asks for something.
type request struct {
	action, id string
	to         string // empty: it does not say
	probe      probe  // of a Probe
	resolve    string // of a Resolve: the address of a device
}

// probe is what somebody looks for.
type probe struct {
	types  []xml.Name
	scopes []string
}

// notUnderstood is the error of a message with a header that must be understood, and is not
// (SOAP 1.2, 2.4).
type notUnderstood struct{ name xml.Name }

func (e notUnderstood) Error() string {
	return fmt.Sprintf("header %s is not understood", e.name.Local)
}

// element is one of a message that was read.
type element struct {
	name   xml.Name
	attrs  []xml.Attr
	text   string
	kids   []*element
	parent *element
}

// child is the first child with a name; nil: there is none, or no element.
func (e *element) child(space, local string) *element {
	if e == nil {
		return nil
	}
	for _, k := range e.kids {
		if k.name.Space == space && k.name.Local == local {
			return k
		}
	}
	return nil
}

// value is the text without space around it; empty also if there is no element.
func (e *element) value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.text)
}

// qname resolves a name such as wsdp:Device by the declarations around it.
func (e *element) qname(text string) (xml.Name, bool) {
	prefix, local, ok := strings.Cut(text, ":")
	if !ok {
		prefix, local = "", text
	}
	for ; e != nil; e = e.parent {
		for _, a := range e.attrs {
			if a.Name.Space == "xmlns" && a.Name.Local == prefix && prefix != "" || a.Name.Space == "" && a.Name.Local == "xmlns" && prefix == "" {
				return xml.Name{Space: a.Value, Local: local}, local != ""
			}
		}
	}
	return xml.Name{Local: local}, prefix == "" && local != ""
}

// parse reads a document: one element, with nothing around it but space and comments.
func parse(b []byte) (*element, error) {
	if len(b) > maxMessage {
		return nil, errors.New("too long")
	}
	d := xml.NewDecoder(bytes.NewReader(b)) // strict, without entities and other character sets
	var root, at *element
	count, depth := 0, 0
	for {
		t, err := d.Token()
		if err == io.EOF && root != nil && at == nil {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if count, depth = count+1, depth+1; count > maxElements || depth > maxDepth {
				return nil, errors.New("too many elements")
			}
			e := &element{name: t.Name, attrs: t.Attr, parent: at}
			switch {
			case at != nil:
				at.kids = append(at.kids, e)
			case root != nil:
				return nil, errors.New("a second document")
			default:
				root = e
			}
			at = e
		case xml.EndElement:
			at, depth = at.parent, depth-1
		case xml.CharData:
			if at != nil {
				at.text += string(t)
			} else if len(bytes.TrimSpace(bytes.TrimPrefix(t, []byte("\ufeff")))) > 0 {
				return nil, errors.New("text outside of the document")
			}
		case xml.ProcInst:
			// The declaration is the only one that SOAP allows (SOAP 1.2, 5).
			if t.Target != "xml" || root != nil {
				return nil, errors.New("processing instruction")
			}
		case xml.Directive:
			return nil, errors.New("document type")
		}
	}
}

// decode reads a message that asks for something.
func decode(b []byte) (*request, error) {
	root, err := parse(b)
	if err != nil {
		return nil, err
	}
	header, body := root.child(nsSOAP, "Header"), root.child(nsSOAP, "Body")
	if root.name != (xml.Name{Space: nsSOAP, Local: "Envelope"}) || header == nil || body == nil {
		return nil, errors.New("no envelope of SOAP 1.2 with a header and a body")
	}
	q := &request{
		action: header.child(nsWSA, "Action").value(),
		id:     header.child(nsWSA, "MessageID").value(),
		to:     header.child(nsWSA, "To").value(),
	}
	if q.action == "" || q.id == "" || len(q.id) > maxID {
		return nil, errors.New("no action or no message identifier")
	}
	// An answer goes to whoever has asked, and nowhere else.
	if r := header.child(nsWSA, "ReplyTo"); r != nil && r.child(nsWSA, "Address").value() != toAsker {
		return nil, errors.New("the answer is for somebody else")
	}
	for _, h := range header.kids {
		if h.name.Space != nsWSA && h.name.Space != nsWSD && h.mustUnderstand() {
			return q, notUnderstood{h.name}
		}
	}
	switch q.action {
	case actionProbe:
		p := body.child(nsWSD, "Probe")
		if p == nil {
			return nil, errors.New("no Probe")
		}
		q.probe, err = decodeProbe(p)
	case actionResolve:
		r := body.child(nsWSD, "Resolve").child(nsWSA, "EndpointReference").child(nsWSA, "Address")
		if q.resolve = r.value(); q.resolve == "" {
			return nil, errors.New("no address to resolve")
		}
	}
	return q, err
}

func (e *element) mustUnderstand() bool {
	for _, a := range e.attrs {
		if a.Name.Space == nsSOAP && a.Name.Local == "mustUnderstand" {
			v := strings.TrimSpace(a.Value)
			return v == "1" || v == "true"
		}
	}
	return false
}

func decodeProbe(p *element) (out probe, err error) {
	if t := p.child(nsWSD, "Types"); t != nil {
		list := strings.Fields(t.text)
		if len(list) > maxTypes {
			return out, errors.New("too many types")
		}
		for _, text := range list {
			name, ok := t.qname(text)
			if !ok {
				return out, fmt.Errorf("type %q has no namespace", text)
			}
			out.types = append(out.types, name)
		}
	}
	out.scopes = strings.Fields(p.child(nsWSD, "Scopes").value())
	return out, nil
}

// matches reports whether the server is what somebody looks for: it has all types, and all
// scopes (WS-Discovery, 5.1). A server is in none, so that how scopes are to be compared
// does not matter.
func (p *probe) matches() bool {
	for _, t := range p.types {
		if t != (xml.Name{Space: nsWSDP, Local: "Device"}) && t != (xml.Name{Space: nsPUB, Local: "Computer"}) {
			return false
		}
	}
	return len(p.scopes) == 0
}
