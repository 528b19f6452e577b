"""Pieces of graphs as `compression.engine.files.export` writes them: deflate refers to them and need not repeat them.

Part of the file format: any change makes older stored files unreadable and needs a new version number. Made from
exported graphs of the sample models, whose names were turned into distances, by adding again and again the 64
bytes that compress worst with the dictionary so far.
"""

import base64

DICTIONARY = base64.b85decode(
    "2tW`4LIN!@DhUWc2tW`JLIGha2nZk$0YU;TGb#xPAP7JZ5JCZADhLP)5CK90Ei)<!2nq-w5D-EEVOkstVhRCe5&>Z%15IIg3NH!)XA%K"
    "nA_-DuWOZX@O=)f_3kn2bcx7`y0iXc~Dh~<>Yh`6{WNB@47y+OG0tyZa3ISpY0b~jRV-f*jA`nDnadlyCbZL5JOlfXqVR8x%3ITWu0b&"
    "vXVIl)TWMm2)3ISpY0bvROVG;phA`Ve?5CK90Ei@_(2r>v12n7fQ5DG#8VJZj+0uTp60xdKu2?+E95CK90Eioz!2=oI8pau{MLIGha2n"
    "Y%g0YU;T5CK8~VJZa>0zv^{Dh>z~2muHM2n7%WLIN!^DhCJ@5CK8~VJZg*6c7VK0bwc#2ow+oLIN!@DhCJ@5CK8~VQ^(Y0zd+w0S77(3"
    "IuRrWOG0OKmb4hKmect2PzN>2Xl0CX=G({KmtGlpaBO8D+&Q&3ISmX0bvpWVImMj2nag$0tyof0zG&N0bvpWVIl`oWpij@aAgV@3IZ)L"
    "5&>Z%1VdqSbSeo70(5T}0iXc_3Ly#sWeNde3ISvi2nagg913y@0zG&N0xdBL0b>#YVIl-WZ*F!f5()`qX>4J1X>V?GKmkAjpaBOe3<?E"
    "ja&L8T7y+OG0xA^>3JwYZVhRCs5&>Z%15I^o3JwYZVhRCv5&>Z%15IIg3JwYZWeNde5&>Z%14L<d3LFXnVhRCr3ITBv0bwEz1`q>60bw"
    "c&2&@7K0T2N~0xdBr2nb{l0YU;TGb#!QWC*MR5CcL1VJZp;WC#He0YU;TF)9cM3J?K80xdHt0bwcz5CK90Ei)<z2m%lXLIN!_DhvpO0S"
    "KT55CcL2Eiozx2!sI;0YU*`DhLRK0T2U10bwcz5CK90Eix(vb3g(>0-ym03JeMXViEyiA_P)pY;_793ISpY0bvRPG%*qZVImGubzyFFX"
    "?kT$X>Mg<ata>`0b&XPV+sN^KoA2$0bwc#2tW`4LIN!_Dh3b%LIN!_Dh3b&LIN!_Dhdc72tW`6LIN!^DhCK45CK8~VJZg*AP@sW0bwc#"
    "DhCK;5CK8~VJZg*WDo{I0bwcz5CK90Ei)<#2nq;f5CcL2Eix(x2nrAZLIGha2M7uf1402|DhLP)5C%d55C{PX0|)~U1402|Dh>z`2muH"
    "I2mufSLIN!@Dh>z`2muHI2mufQLIN!^DhLP=5CK90Ei)<&2oMMm2m=TMKmb4hpaBOe5DEu#baH8AWph9QKmniu2MQDl0b&XQHZTeTH8~"
    "OiVIl-WY-w-`atZ-r3IZ)L3ISsh0bwEp0ty!j0bvpWVIl-WVRLjU2?_#qZx{if0RjpR3ISva0b&vXVIl)lbz%w*3ISpY0bvpWVIl)fb!"
    "-Z83IZ}X3IS>o0bwEoO?7Mv6AA%h3ISmf25fI<X>@ZU13_eD5&>r_2M81p0YU*`Dh&t}2muHM2n7%WLIGha4hR$o2nagD2MQeu0zG&N0"
    "bvROVG;phA`Ve?VQzG3dSy&$Ze?L|3K0qcVhR8X0bvpWVIl-WY-w-`9tr_s3IS#c2&@7KkOmL|LIGha2nb{l0YU;TGAarPWC*MR5CK8~"
    "VJZj+3J?K80xdEs2?z=ZWDo&D0byDk3ITW$7YY>!5(q#L1405VF)9ZL5)c7G0bwc!2oewjLIGha1`q*40xdEs1rP#40bwc%2tWuD5CcL"
    "2Eix(x2tW`4LIGhaDhUW62tW`6LIGha3J4$w0T2U10xdBr3J4$w0T2N~0xdEs2nY%g0YU;TGb#xP3J4$&1402|Dhdb+2mufS0YU;TGb#"
    "-TAP67`0|)~U5JCZADhLQ55CK90Eix(%2p|X$2muHI5D-EEVJZj+Ko9{!0xdKu4G2I8AP55pX>bZ23ISpY0c8pSWD)^kA`nDnadlyCbZ"
    "L5JOlfXqVR8y_3ISpg0bwEsO<{OYZ*OcW5DE!nWoc|*ZEs{{^aBW>1`q>60xdEs2nh585CK8~VJZj+^aBtBLIGha2?+E95CK90Ei)<$2"
    "nq=F0}um30xdWy2M7uf0YU*`3IaGd5&>Z%4pDVsZggpSWlU*qWnpp(6AA%h3IGZNF)%X{0bwEpLu_eq3LgpqVhRCd3IaJW5&>Z%5JY8h"
    "2nawB0YU;TGAa!SKnNfR0SEyQ1402|Dh>!h2muHI2mufQLIN!@DhLPy5C=j6Ej20#2nrAZLIN!@DhUV*2PzK=2y10!aAaw1a~J`j0Rjp"
    "R3ISpY0df)nVIl)fb!-X`3ISpY0yHub0bwEoO<{Nn4hjKf3ISpg0bwEoVJZg*6c7eN0bwcz5CK90Ei)<w5CTF0VJZ#?G6)n11qcNY140"
    "5VGb#rNG7tem0bwc!2r>`@LIGha2naF|VIl)TWMm2q3ISpg0bwEpQe|v)3K$9kEin=SVIl-WVRLjU2?_#qZx{xk0Rjph3ISmX0b>#YVI"
    "l@cVRUF^Z(?C=L3U+wVP|DfZ*Oc05()ug3ISmf0bwEsQe|^!VQ^&%FbV-;5&|tTA_-DuWOZX@O<{N{3kn2bcx7`yGb#!Q3JCNA5DG#8V"
    "Okst0eBJ@3Ka+e5)ldm5&=#M0tf*L0tg%m0tg&p843n$Z)a(Aa}o~<4F~}e2?_%e3I%6!Z*_1O5TF49DisP0Yh`k7Wo%z_Xkl<=Km$Mn"
    "paBOe5efuwVPtba0YCvj0YCwu0S77&3I}s^a%p5`3ISpY0xdBL0b>#dY;R|2baNsEM`dkoDh&z-baG*Cb3zyapaB9B0cR=)2m%lXLIGh"
    "a2?(qL5CK90Eioz!5JY8hbzyFFX?kT$X>Mg<aw-c71Yvk-a~J@i0Rjqe3IS>g0cHvTViEyiA_PNkZgwgX3JGLsY+-b1Z*Fry"
)
