// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {UsageReceipt} from "../../../src/types/Usage.sol";
import {SignerWallet} from "../../mocks/SignerWallet.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Whose signature makes a receipt: keys and contracts, before and after they are replaced.
contract SignersTest is FlockTest {
    function test_deliver_takesTheOldSignerWhileItsGraceLasts() public {
        uint32 first = ask();
        uint32 second = ask();
        uint32 third = ask();
        address next = actor("next signer");
        _rotate(next, 10 minutes);
        assertEq(models.previousSignerOf(modelId), signer, "old signer");

        answer(first);
        vm.warp(1_700_000_000 + 10 minutes);
        answer(second);
        vm.warp(1_700_000_000 + 10 minutes + 1);

        assertEq(models.previousSignerOf(modelId), address(0), "grace is over");
        _refused(third, "receipt signer", next);
        _accepted(third, "next signer");
    }

    function test_deliver_takesTheNewSignerWhileTheOldOneHasGrace() public {
        uint32 id = ask();
        _rotate(actor("next signer"), 10 minutes);

        _accepted(id, "next signer");
    }

    function test_deliver_refusesTheOldSignerAtOnceWithoutGrace() public {
        uint32 id = ask();
        address next = actor("next signer");
        _rotate(next, 0);

        assertEq(models.previousSignerOf(modelId), address(0), "none");
        _refused(id, "receipt signer", next);
        _accepted(id, "next signer");
    }

    function test_deliver_knowsTheLastTwoSignersAlone() public {
        uint32 first = ask();
        uint32 second = ask();
        address last = actor("last signer");
        _rotate(actor("next signer"), 7 days);
        _rotate(last, 7 days);

        _refused(first, "receipt signer", last);
        _accepted(first, "next signer");
        _accepted(second, "last signer");
    }

    function test_deliver_takesTheNewSignerFromNodesListedBeforeAndAfter() public {
        uint32 first = ask();
        uint32 second = ask();
        _rotate(actor("next signer"), 0);
        address late = actor("late node");
        vm.prank(host);
        models.updateNodes(modelId, two(node, late));

        _accepted(first, "next signer");
        UsageReceipt memory receipt = receiptFor(second, 1, late, 17, 23);
        deliver(second, receipt, sign(receipt, "next signer"));

        assertEq(meter.progressOf(receipt.requestId).answered, 4, "third place");
    }

    function test_deliver_takesSignaturesOfContracts() public {
        _rotate(address(new SignerWallet(actor("wallet key"))), 0);
        uint32 id = ask();

        _accepted(id, "wallet key");
    }

    function test_deliver_refusesWhatAContractDoesNotSign() public {
        address wallet = address(new SignerWallet(actor("wallet key")));
        _rotate(wallet, 0);

        _refused(ask(), "receipt signer", wallet);
    }

    function test_deliver_takesAContractThatWasReplacedWhileItsGraceLasts() public {
        address wallet = address(new SignerWallet(actor("wallet key")));
        _rotate(wallet, 0);
        uint32 first = ask();
        uint32 second = ask();
        address next = actor("next signer");
        _rotate(next, 1 hours - 1);

        _accepted(first, "wallet key");
        vm.warp(1_700_000_000 + 1 hours);

        _refused(second, "wallet key", next);
    }

    /// A signature that recovers to nobody must not stand for the zero address of a signer that was never replaced.
    function test_deliver_refusesSignaturesOfNobody() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory refusal =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);
        bytes[5] memory signatures = [
            bytes(""),
            new bytes(64),
            new bytes(65),
            new bytes(1_000),
            abi.encodePacked(uint256(1), uint256(1), uint8(29))
        ];
        for (uint256 i; i < signatures.length; ++i) {
            vm.expectRevert(refusal);
            deliver(id, receipt, signatures[i]);
        }
    }

    /// EIP-2098: the parity of the point stands in the highest bit of s.
    function test_deliver_takesShortSignatures() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("receipt signer"), meter.receiptDigest(receipt));

        deliver(id, receipt, abi.encodePacked(r, uint256(s) | uint256(v - 27) << 255));

        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 0, "answered");
    }

    function test_deliver_revertsOnAnotherChainId() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        vm.chainId(1);
        bytes memory signatureForMainnet = sign(receipt);
        vm.chainId(31337);

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer)
        );
        deliver(id, receipt, signatureForMainnet);
    }

    function _rotate(address next, uint256 graceSec) private {
        vm.prank(host);
        models.rotateReceiptSigner(modelId, next, graceSec);
    }

    function _accepted(uint32 id, string memory signerName) private {
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        deliver(id, receipt, sign(receipt, signerName));
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 0, "answered");
    }

    function _refused(uint32 id, string memory signerName, address expected) private {
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt, signerName);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), expected)
        );
        deliver(id, receipt, signature);
    }
}
