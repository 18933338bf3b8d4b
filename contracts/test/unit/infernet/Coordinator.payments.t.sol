// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {MockVerifier} from "../../mocks/infernet/MockVerifier.sol";
import {RefusingRecipient, SixDecimalsToken} from "../../mocks/infernet/MockTokens.sol";
import {PaidInfernetTest} from "../../mocks/infernet/PaidInfernetTest.sol";

contract CoordinatorPaymentsTest is PaidInfernetTest {
    function test_deliverCompute_paysNodeAndProtocol() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);

        vm.expectEmit(address(consumerWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, protocol, 0.1 ether);
        vm.expectEmit(address(consumerWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, address(nodeWallet), 0.9 ether);
        deliverPaid(id);

        assertBalances(0, 1.9 ether, 0.1 ether, 0);
        assertEq(consumerWallet.allowance(address(consumer), NATIVE), 0, "allowance");
        assertEq(nodeWallet.allowance(node, NATIVE), AMOUNT, "node's allowance");
    }

    function test_deliverCompute_paysEveryAnswer() public {
        vm.deal(address(consumerWallet), 2 ether);
        approveConsumer(NATIVE, 2 ether);
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);

        deliverPaid(id);
        deliver(stranger, id, 1, address(nodeWallet));

        assertBalances(0, 1.8 ether, 0.2 ether, 0);
    }

    function test_deliverCompute_escrowsUntilTheVerdict() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, address(verifier));

        vm.expectEmit(address(nodeWallet));
        emit Wallet.Escrow(node, NATIVE, AMOUNT, true);
        vm.expectEmit(address(consumerWallet));
        emit Wallet.Escrow(address(consumer), NATIVE, 0.8 ether, true);
        deliverPaid(id);

        assertBalances(0.8 ether, 1 ether, 0.105 ether, 0.095 ether);
        assertEq(lockedOf(consumerWallet, NATIVE), 0.8 ether, "escrow");
        assertEq(lockedOf(nodeWallet, NATIVE), 1 ether, "bond");
        assertEq(consumerWallet.allowance(address(consumer), NATIVE), 0, "consumer's allowance");
        assertEq(nodeWallet.allowance(node, NATIVE), 0, "node's allowance");
        (uint32 expiry, Wallet wallet, uint256 escrowed) = coordinator.proofRequests(deliveryKey(id, 1, node));
        assertEq(expiry, START + 604_800, "expiry");
        assertEq(address(wallet), address(nodeWallet), "nodeWallet");
        assertEq(escrowed, 0.8 ether, "consumerEscrowed");
        assertEq(
            verifier.lastRequestHash(),
            keccak256(abi.encode(address(coordinator), id, uint32(1), node, bytes("proof"))),
            "request"
        );
    }

    function test_deliverCompute_settlesValidProofs() public {
        fundBoth();
        verifier.setMode(MockVerifier.Mode.AtomicValid);

        deliverPaid(ask(NATIVE, AMOUNT, address(verifier)));

        assertBalances(0, 1.8 ether, 0.105 ether, 0.095 ether);
        assertEq(consumerWallet.allowance(address(consumer), NATIVE), 0, "consumer's allowance");
        assertEq(nodeWallet.allowance(node, NATIVE), AMOUNT, "node's allowance");
        assertEq(lockedOf(consumerWallet, NATIVE) + lockedOf(nodeWallet, NATIVE), 0, "locked");
    }

    function test_deliverCompute_slashesInvalidProofs() public {
        fundBoth();
        verifier.setMode(MockVerifier.Mode.AtomicInvalid);

        deliverPaid(ask(NATIVE, AMOUNT, address(verifier)));

        assertBalances(1.8 ether, 0, 0.105 ether, 0.095 ether);
        assertEq(consumerWallet.allowance(address(consumer), NATIVE), 0.8 ether, "consumer's allowance");
        assertEq(nodeWallet.allowance(node, NATIVE), 0, "node's allowance");
        assertEq(lockedOf(consumerWallet, NATIVE) + lockedOf(nodeWallet, NATIVE), 0, "locked");
    }

    function test_deliverCompute_paysErc20ToTheLastUnit() public {
        SixDecimalsToken token = new SixDecimalsToken();
        setFee(511);
        verifier.set(address(token), true, 5_000_000);
        verifier.setMode(MockVerifier.Mode.AtomicValid);
        token.mint(address(consumerWallet), 40_000_000);
        token.mint(address(nodeWallet), 40_000_000);
        approveConsumer(address(token), 40_000_000);
        approveNode(address(token), 40_000_000);

        deliverPaid(ask(address(token), 40_000_000, address(verifier)));

        assertEq(token.balanceOf(address(consumerWallet)), 0, "consumer's wallet");
        assertEq(token.balanceOf(address(nodeWallet)), 40_000_000 + 30_912_000, "node's wallet");
        assertEq(token.balanceOf(protocol), 4_343_500, "protocol");
        assertEq(token.balanceOf(verifierPayee), 4_744_500, "verifier");
    }

    function test_deliverCompute_roundsTheFeeDown() public {
        vm.deal(address(consumerWallet), 9);
        approveConsumer(NATIVE, 9);

        deliverPaid(ask(NATIVE, 9, NATIVE));

        assertBalances(0, 9, 0, 0);
    }

    function testFuzz_deliverCompute_paysOutExactlyTheAmount(uint96 amount, uint16 feeBps, uint96 verifierFee) public {
        amount = uint96(bound(amount, 1, type(uint96).max));
        feeBps = uint16(bound(feeBps, 0, 5000));
        uint256 cut = uint256(amount) * 2 * feeBps / 10_000;
        verifierFee = uint96(bound(verifierFee, 0, amount - cut));
        setFee(feeBps);
        verifier.set(NATIVE, true, verifierFee);
        verifier.setMode(MockVerifier.Mode.AtomicValid);
        vm.deal(address(consumerWallet), amount);
        vm.deal(address(nodeWallet), amount);
        approveConsumer(NATIVE, amount);
        approveNode(NATIVE, amount);

        deliverPaid(ask(NATIVE, amount, address(verifier)));

        uint256 verifierCut = uint256(verifierFee) * feeBps / 10_000;
        assertBalances(
            0, uint256(amount) * 2 - cut - verifierFee, cut + verifierCut, verifierFee - verifierCut
        );
    }

    function test_deliverCompute_forcesCoinsUponARefusingRecipient() public {
        fundBoth();
        address refusing = address(new RefusingRecipient());
        callAs(protocol, address(fee), abi.encodeWithSignature("transferOwnership(address)", refusing));

        deliverPaid(ask(NATIVE, AMOUNT, NATIVE));

        assertEq(refusing.balance, 0.1 ether, "recipient");
    }

    function test_deliverCompute_paysBeforeTheCallback() public {
        fundBoth();
        verifier.setMode(MockVerifier.Mode.AtomicValid);
        consumer.reactWith(address(this), abi.encodeCall(this.noteNodeWallet, ()));

        deliverPaid(ask(NATIVE, AMOUNT, address(verifier)));

        assertEq(noted, 1.8 ether, "node's wallet during the callback");
    }

    uint256 internal noted;

    function noteNodeWallet() external {
        noted = address(nodeWallet).balance;
    }
}
